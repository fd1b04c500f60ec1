"""The code of masks: lossless, never larger than raw but for a header, and near the entropy."""

from itertools import product

import numpy as np
import pytest

from forgetless.errors import StorageError
from forgetless.mask_code import canonical_codes, code_lengths, decode, encode, payload_bits

HEADER = 7


def symbols_of(masks):
    """(T, N) bool -> (N,): bit b is the b-th task's."""
    return np.bitwise_or.reduce(masks.astype(np.uint8) << np.arange(len(masks), dtype=np.uint8)[:, None], 0)


def raw_bytes(tasks, size):
    return -(-tasks * size // 8)


@pytest.mark.parametrize("share", [0.0, 0.03, 0.1, 0.5, 0.97, 1.0])
def test_what_is_encoded_comes_back(share):
    draw = np.random.default_rng(0)
    for size, tasks in product((1, 2, 7, 540, 10_007), (1, 2, 5, 6, 7)):
        masks = draw.random((tasks, size)) < share
        masks[:, draw.integers(size)] = True
        symbols = symbols_of(masks)
        container = encode(symbols, tasks)
        back, number = decode(container)
        assert number == tasks
        assert np.array_equal(back, symbols)
        assert len(container) <= raw_bytes(tasks, size) + HEADER


def test_one_symbol_alone_takes_no_stream():
    for symbol in (0, 1, 127):
        symbols = np.full(1000, symbol, np.uint8)
        container = encode(symbols, 7)
        assert payload_bits(symbols) == 0
        assert len(container) == HEADER + 3
        assert np.array_equal(decode(container)[0], symbols)


def test_codes_longer_than_one_look_up_and_streams_longer_than_one_block():
    fibonacci = [1, 1]
    while len(fibonacci) < 28:
        fibonacci.append(sum(fibonacci[-2:]))
    symbols = np.repeat(np.arange(28, dtype=np.uint8), fibonacci)
    np.random.default_rng(1).shuffle(symbols)
    assert code_lengths(np.bincount(symbols)).max() == 27
    assert np.array_equal(decode(encode(symbols, 7))[0], symbols)
    symbols = symbols_of(np.random.default_rng(2).random((7, 1_000_000)) < 0.2)
    container = encode(symbols, 7)
    assert len(container) > 2**18 + 1000
    assert np.array_equal(decode(container)[0], symbols)


def test_the_payload_is_within_a_bit_a_symbol_of_the_entropy():
    draw = np.random.default_rng(3)
    for share in (0.03, 0.1, 0.3, 0.5):
        symbols = symbols_of(draw.random((7, 50_000)) < share)
        chance = np.bincount(symbols) / len(symbols)
        entropy = -(chance[chance > 0] * np.log2(chance[chance > 0])).sum()
        assert entropy <= payload_bits(symbols) / len(symbols) < entropy + 1
        assert payload_bits(symbols) <= 7 * len(symbols)


@pytest.mark.parametrize(
    ("share", "bits"), [(0.03, 0.237), (0.05, 0.304), (0.1, 0.474), (0.3, 0.884), (0.5, 1.0)]
)
def test_independent_masks_take_so_many_bits_a_bit(share, bits):
    symbols = symbols_of(np.random.default_rng(4).random((7, 400_000)) < share)
    assert payload_bits(symbols) / (7 * 400_000) == pytest.approx(bits, abs=0.01)


def test_equal_masks_take_a_seventh():
    mask = np.random.default_rng(5).random(10_000) < 0.3
    assert payload_bits(symbols_of(np.stack([mask] * 7))) <= 10_000


def test_the_first_task_is_the_least_significant_bit():
    assert symbols_of(np.array([[1], [0], [1]]))[0] == 5
    assert f"{48:07b}" == "0110000"
    raw = encode(np.array([5], np.uint8), 3)
    assert raw.tolist() == [1, 3, 1, 0, 0, 0, 1, 0b101]


def test_the_container_is_as_documented_to_the_bit():
    """Counts 9, 4, 2, 1: lengths 1, 2, 3, 3; canonical codes 0, 10, 110, 111."""
    symbols = np.array([0] * 9 + [2] * 4 + [1] * 2 + [3], np.uint8)
    lengths = code_lengths(np.bincount(symbols))
    assert lengths.tolist() == [1, 3, 2, 3]
    assert canonical_codes(lengths) == {0: (0, 1), 2: (0b10, 2), 1: (0b110, 3), 3: (0b111, 3)}
    many = np.concatenate([symbols, np.zeros(100, np.uint8)])
    container = encode(many, 2)
    assert container[: HEADER + 9].tolist() == [1, 2, 116, 0, 0, 0, 0, 4, 0, 1, 1, 3, 2, 2, 3, 3]
    assert (
        "".join(f"{byte:08b}" for byte in container[HEADER + 9 :]).rstrip("0")
        == "0" * 9 + "10" * 4 + "110" * 2 + "111"
    )


def test_equal_counts_are_settled_by_the_smallest_symbol():
    assert code_lengths(np.array([2, 2, 2])).tolist() == [2, 2, 1]
    assert code_lengths(np.array([1, 1, 1, 1, 1])).tolist() == [3, 3, 2, 2, 2]
    assert code_lengths(np.array([1, 2, 2, 1])).tolist() == [3, 2, 1, 3], "a pair goes by its smallest"


def test_payload_is_as_long_as_the_official_codes_string():
    """The official code makes a character of each symbol, value + 33, and codes the string with a textbook tree."""
    draw = np.random.default_rng(6)
    for tasks, share in product(range(2, 8), (0.05, 0.3, 0.5)):
        symbols = symbols_of(draw.random((tasks, 3000)) < share)
        text = "".join(chr(int(symbol) + 33) for symbol in symbols)
        assert payload_bits(symbols) == len(textbook(text))


def textbook(text):
    """A Huffman-coded string of 0 and 1, by merging the two rarest nodes of a sorted list."""
    nodes = sorted((text.count(letter), letter) for letter in set(text))
    codes = dict.fromkeys(set(text), "")
    while len(nodes) > 1:
        (one, left), (two, right) = nodes[:2]
        for letter in left:
            codes[letter] = "0" + codes[letter]
        for letter in right:
            codes[letter] = "1" + codes[letter]
        nodes = sorted([*nodes[2:], (one + two, left + right)])
    return "".join(codes[letter] for letter in text)


def test_what_is_damaged_is_refused_or_differs():
    symbols = symbols_of(np.random.default_rng(7).random((7, 500)) < 0.1)
    container = encode(symbols, 7)
    for cut in (0, 3, HEADER, HEADER + 5, len(container) - 1):
        with pytest.raises(StorageError, match="cannot be read"):
            decode(container[:cut])
    with pytest.raises(StorageError, match="bytes"):
        decode(np.append(container, np.uint8(0)))
    with pytest.raises(StorageError, match="make no code"):
        decode(np.append(encode(np.full(1000, 5, np.uint8), 7), np.uint8(0)))
    padding = 8 * (len(container) - HEADER - 1 - 2 * int(container[HEADER])) - payload_bits(symbols)
    for bit in range(8 * len(container) - padding):
        flipped = container.copy()
        flipped[bit // 8] ^= 128 >> bit % 8
        try:
            back, tasks = decode(flipped)
        except StorageError:
            continue
        assert tasks != 7 or not np.array_equal(back, symbols)

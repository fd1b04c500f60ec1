"""Masks as the paper stores them: up to seven tasks a symbol, symbols in a Huffman code; lossless. No torch.

A symbol is what a weight is to a group of up to seven tasks: bit b is set where the b-th of them uses the weight
(Kang et al., ICML 2022, section 3.3). A container is one layer's symbols for one group of tasks, in bytes:

    version u8 | tasks u8 | weights u32, little-endian | form u8: 0 Huffman, 1 raw
    Huffman    symbols that occur u8, then (symbol u8, length of its code u8) each; the stream, most significant
               bit first, padded to a byte. Codes are canonical: in order of length, then of symbol.
    raw        the bits of one task after the other, least significant bit first, padded to a byte: where the
               Huffman form would be no smaller.
"""

import struct
from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import NDArray

from .errors import StorageError

Bytes = NDArray[np.uint8]

GROUP = 7  # tasks that share a symbol
VERSION = 1
TASKS_AT = 1  # the byte of a container that says for how many tasks it is
_HEADER = struct.Struct("<BBIB")
_HUFFMAN, _RAW = 0, 1
_LONGEST = 60  # bits of a code: Huffman's never has more for less than 10 ** 12 weights
_LOOK = 16  # bits of a code that one look-up resolves
_BLOCK = 1 << 18  # bytes of a stream decoded at a time
_LEAP = 3  # decoding leaps 2 ** _LEAP symbols at a time


def encode(symbols: Bytes, tasks: int) -> Bytes:
    """The container of a layer's symbols for so many tasks. (N,) -> (bytes,)"""
    counts = np.bincount(symbols, minlength=1 << tasks)
    lengths = code_lengths(counts)
    table = np.flatnonzero(counts)
    stream = -(-int(counts @ lengths) // 8)
    raw = 8 * (stream + 1 + 2 * len(table)) >= tasks * len(symbols)
    head = np.frombuffer(_HEADER.pack(VERSION, tasks, len(symbols), _RAW if raw else _HUFFMAN), np.uint8)
    if raw:
        bits = symbols[None] >> np.arange(tasks, dtype=np.uint8)[:, None] & 1
        return np.concatenate([head, np.packbits(bits.reshape(-1), bitorder="little")])
    entries = np.stack([table, lengths[table]], 1).astype(np.uint8).reshape(-1)
    return np.concatenate([head, np.array([len(table)], np.uint8), entries, _write(symbols, lengths)])


def decode(container: Bytes) -> tuple[Bytes, int]:
    """The symbols of a container, and for how many tasks they are. (bytes,) -> (N,), tasks

    Raises:
        StorageError: it is not a container, or not a whole one.
    """
    data = container.tobytes()
    if len(data) < _HEADER.size:
        raise _damaged("it ends before its header does")
    version, tasks, size, form = _HEADER.unpack_from(data)
    if version != VERSION or not 1 <= tasks <= GROUP or form not in (_HUFFMAN, _RAW):
        raise _damaged(f"its header is {version}, {tasks}, {size}, {form}")
    body = container[_HEADER.size :]
    if form == _RAW:
        if len(body) != -(-tasks * size // 8):
            raise _damaged(f"{len(body)} bytes are not {tasks} bits for each of {size} weights")
        bits = np.unpackbits(body, count=tasks * size, bitorder="little").reshape(tasks, size)
        return np.bitwise_or.reduce(bits << np.arange(tasks, dtype=np.uint8)[:, None], 0), tasks
    found = int(body[0]) if len(body) else 0
    entries = body[1 : 1 + 2 * found].reshape(-1, 2) if len(body) > 2 * found else body[:0].reshape(0, 2)
    lengths = np.zeros(1 << tasks, np.int64)
    if found == 0 or len(entries) != found or entries[:, 0].max() >= 1 << tasks:
        raise _damaged("its table of codes is cut off")
    lengths[entries[:, 0]] = entries[:, 1]
    stream, bits = body[1 + 2 * found :], lengths[lengths > 0].tolist()
    if found == 1 and not bits and not len(stream):
        return np.full(size, entries[0, 0], np.uint8), tasks
    whole = 1 << _LONGEST
    if len(bits) != found or max(bits) > _LONGEST or sum(whole >> length for length in bits) != whole:
        raise _damaged("its code lengths make no code")
    return _read(stream, size, lengths), tasks


def payload_bits(symbols: Bytes) -> int:
    """Bits of the Huffman stream alone, without table and header. (N,) -> bits"""
    counts = np.bincount(symbols)
    return int(counts @ code_lengths(counts))


def code_lengths(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bits of each symbol's code in Huffman's code; 0 where it does not occur or is alone. (S,) -> (S,)

    Of nodes with equal counts the one with the smallest symbol goes first.
    """
    lengths = np.zeros(len(counts), np.int64)
    heap = [(int(counts[symbol]), int(symbol), [int(symbol)]) for symbol in np.flatnonzero(counts)]
    heapify(heap)
    while len(heap) > 1:
        (one, first, left), (two, second, right) = heappop(heap), heappop(heap)
        members = left + right
        lengths[members] += 1
        heappush(heap, (one + two, min(first, second), members))
    return lengths


def canonical_codes(lengths: NDArray[np.int64]) -> dict[int, tuple[int, int]]:
    """Symbol -> (code, its length), in order of length, then of symbol."""
    codes, code, last = {}, 0, 0
    for symbol in sorted(np.flatnonzero(lengths).tolist(), key=lambda s: (lengths[s], s)):
        length = int(lengths[symbol])
        code <<= length - last
        codes[symbol] = (code, length)
        code, last = code + 1, length
    return codes


def _write(symbols: Bytes, lengths: NDArray[np.int64]) -> Bytes:
    """The stream of the symbols' codes, padded to a byte."""
    if lengths.max() == 0:
        return np.zeros(0, np.uint8)
    code, length = np.zeros(len(lengths), np.uint64), lengths.astype(np.uint64)
    for symbol, (bits, _) in canonical_codes(lengths).items():
        code[symbol] = bits
    words, sizes = code[symbols], length[symbols]
    longest = int(lengths.max())
    while 2 * longest <= 64 and len(words) > 1:  # join neighbours while two fit into a word
        if len(words) % 2:
            words, sizes = np.append(words, np.uint64(0)), np.append(sizes, np.uint64(0))
        words = (words[::2] << sizes[1::2]) | words[1::2]
        sizes, longest = sizes[::2] + sizes[1::2], 2 * longest
    return _join(words, sizes)


def _join(words: NDArray[np.uint64], sizes: NDArray[np.uint64]) -> Bytes:
    """Words of up to 64 bits, one after the other without gaps, as bytes."""
    ends = np.cumsum(sizes)
    total = int(ends[-1])
    starts = ends - sizes
    place, offset = (starts >> np.uint64(6)).astype(np.int64), starts & np.uint64(63)
    room = np.uint64(64) - offset
    over = np.where(sizes > room, sizes - room, np.uint64(0))  # bits that go into the next word
    left = (room + over - sizes) & np.uint64(63)
    here = np.where(over > 0, words >> over, words << left)
    here[sizes == 0] = 0
    out = np.zeros(total // 64 + 2, np.uint64)
    firsts = np.flatnonzero(np.diff(place, prepend=-1))
    out[place[firsts]] = np.bitwise_or.reduceat(here, firsts)
    spilt = np.flatnonzero(over)
    out[place[spilt] + 1] |= words[spilt] << (np.uint64(64) - over[spilt])
    return out.astype(">u8").view(np.uint8)[: -(-total // 8)]


def _read(stream: Bytes, size: int, lengths: NDArray[np.int64]) -> Bytes:
    """The symbols whose codes the stream holds."""
    codes = canonical_codes(lengths)
    table = _table(codes)
    longer = [(code, length, s) for s, (code, length) in codes.items() if length > _LOOK]
    padded = np.concatenate([stream, np.zeros(8, np.uint8)])
    symbols, done, start = np.empty(size, np.uint8), 0, 0
    while done < size:
        first, bit = divmod(start, 8)
        if first >= len(stream) or size > 8 * len(stream):
            raise _damaged(f"it ends after {done} of {size} weights")
        found, jump = _look_up(padded[first : first + _BLOCK + 8], table, longer)
        here = _walk(jump, bit, size - done)
        symbols[done : done + len(here)] = found[here]
        done += len(here)
        start = 8 * first + int(jump[here[-1]])
    if -(-start // 8) != len(stream):
        raise _damaged(f"its stream has {len(stream)} bytes, of which {size} weights take {-(-start // 8)}")
    return symbols


def _table(codes: dict[int, tuple[int, int]]) -> NDArray[np.uint16]:
    """For each value of the next bits: the symbol, and the length of its code times 256; 0 for longer codes."""
    table = np.zeros(1 << _LOOK, np.uint16)
    for symbol, (code, length) in codes.items():
        if length <= _LOOK:
            first = code << (_LOOK - length)
            table[first : first + (1 << (_LOOK - length))] = symbol | length << 8
    return table


def _look_up(
    data: Bytes, table: NDArray[np.uint16], longer: list[tuple[int, int, int]]
) -> tuple[Bytes, NDArray[np.int32]]:
    """At each bit of all but the last 8 bytes: the symbol of the code that begins there, and where it ends."""
    count = len(data) - 8
    wide = data.astype(np.uint32)
    three = (wide[:count] << 16) | (wide[1 : count + 1] << 8) | wide[2 : count + 2]
    ahead = (three[:, None] >> np.arange(8, 0, -1, dtype=np.uint32)) & 0xFFFF
    entry = table[ahead.reshape(-1)]
    found, length = (entry & 0xFF).astype(np.uint8), (entry >> 8).astype(np.int32)
    for place in np.flatnonzero(length == 0) if longer else ():
        first, bit = divmod(int(place), 8)
        bits = (int.from_bytes(data[first : first + 8].tobytes(), "big") << bit) & (2**64 - 1)
        for code, size, symbol in longer:
            if bits >> (64 - size) == code:
                found[place], length[place] = symbol, size
    return found, np.arange(8 * count, dtype=np.int32) + length


def _walk(jump: NDArray[np.int32], start: int, most: int) -> NDArray[np.int64]:
    """Where codes begin, from `start` to the end of what was looked up, at most so many."""
    end = len(jump)
    leap = np.minimum(np.append(jump, np.int32(end)), np.int32(end))  # past the end one stays there
    for _ in range(_LEAP):
        leap = leap[leap]
    at, view, places = start, leap.data, []
    while at < end:
        places.append(at)
        at = view[at]
    rows = [np.array(places, np.int64)]
    for _ in range((1 << _LEAP) - 1):
        rows.append(jump[np.minimum(rows[-1], end - 1)].astype(np.int64))
    begun = np.stack(rows, 1).reshape(-1)
    return begun[: np.searchsorted(begun, end)][:most]


def _damaged(how: str) -> StorageError:
    return StorageError(f"A stored mask cannot be read: {how}. The file is damaged or was not written by us.")

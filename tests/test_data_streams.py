"""Streams are what their names say."""

import hashlib

import numpy as np

from forgetless.data import build_stream
from forgetless.data.changes import article_permutations
from forgetless.data.orders import class_order


def test_the_article_permutations_are_its_own():
    orders = [change.order for change in article_permutations(10)]
    assert orders[0][:8] == (626, 394, 417, 743, 40, 329, 659, 189)
    assert orders[1][:8] == (567, 67, 69, 425, 213, 722, 355, 440)
    assert orders[2][:8] == (22, 586, 777, 163, 496, 402, 365, 351)
    joined = b"".join(np.array(order, "<u2").tobytes() for order in orders)
    assert (
        hashlib.sha256(joined).hexdigest()
        == "3bf83d8997ed05b3aac0be0e9fde72c2a1cc7c3cf56c995dbbb180e4a3d7f9b1"
    )


def test_both_orders_of_1993():
    assert class_order("1993", 100, 0)[:7] == (68, 56, 78, 8, 23, 84, 90)
    assert class_order("icarl", 100, 0)[:10] == (87, 0, 52, 58, 44, 91, 68, 97, 51, 15)


def test_digits_stream(settings):
    stream = build_stream(settings())
    assert len(stream) == 5
    assert sum(len(train()) for train in stream.trains) + sum(map(len, stream.tests)) == 1797

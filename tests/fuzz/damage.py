"""Bytes of a file, damaged in the ways that disks, networks and programs do."""

from __future__ import annotations

import numpy as np

_WORDS = tuple(value.to_bytes(4, "little", signed=True) for value in (0, 1, -1, 2**31 - 1, -2**31, 65_536, 16))


def cut(data: bytes, rng: np.random.Generator) -> bytes:
    """Truncated anywhere, also to nothing."""
    return data[:int(rng.integers(len(data) + 1))]


def flipped(data: bytes, rng: np.random.Generator) -> bytes:
    """One to eight bits changed."""
    changed = bytearray(data)
    for position in rng.integers(len(data), size=rng.integers(1, 9)).tolist():
        changed[position] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def flipped_near_the_end(data: bytes, rng: np.random.Generator) -> bytes:
    """Bits of the last 300 bytes changed, where footers are."""
    start = max(0, len(data) - 300)
    return data[:start] + flipped(data[start:], rng)


def overwritten(data: bytes, rng: np.random.Generator) -> bytes:
    """A stretch replaced by one byte, or by noise."""
    start = int(rng.integers(len(data)))
    end = min(len(data), start + int(rng.integers(1, 65)))
    noise = rng.bytes(end - start) if rng.random() < 0.5 else bytes([int(rng.choice([0, 255, 127]))]) * (end - start)
    return data[:start] + noise + data[end:]


def wrong_number(data: bytes, rng: np.random.Generator) -> bytes:
    """Four bytes replaced by a number that is no length of anything."""
    start = int(rng.integers(max(1, len(data) - 4))) // 4 * 4
    return data[:start] + _WORDS[rng.integers(len(_WORDS))] + data[start + 4:]


def moved(data: bytes, rng: np.random.Generator) -> bytes:
    """A stretch left out, doubled or put elsewhere."""
    start, end = sorted(rng.integers(len(data) + 1, size=2).tolist())
    part, rest = data[start:end], data[:start] + data[end:]
    place = int(rng.integers(len(rest) + 1))
    return (rest, data[:end] + part + data[end:], rest[:place] + part + rest[place:])[rng.integers(3)]


def with_more(data: bytes, rng: np.random.Generator) -> bytes:
    """Noise before, within or behind it."""
    place = int(rng.choice([0, len(data), rng.integers(len(data) + 1)]))
    return data[:place] + rng.bytes(int(rng.integers(1, 33))) + data[place:]


DAMAGES = (cut, flipped, flipped, flipped_near_the_end, overwritten, wrong_number, wrong_number, moved, with_more)


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Damaged once, or now and then twice; never as it was by intent, though two damages may undo each other."""
    for _ in range(1 + (rng.random() < 0.2)):
        if data:
            data = DAMAGES[rng.integers(len(DAMAGES))](data, rng)
    return data

"""Rows through a trained encoder, so that each embedding depends on its own row to the last bit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from anomaly_cl.encoders.encoder import Encoder
from anomaly_cl.errors import UsageError

BLOCK_ROWS = 256  # as fast as larger blocks for many rows, and four times as fast as 1,024 for a single one


def embed(encoder: Encoder, rows: np.ndarray, block_rows: int = BLOCK_ROWS) -> np.ndarray:
    """Embeddings float32 (n, n_outputs) of rows (n, n_inputs), by an encoder on the CPU in evaluation mode.

    Bit-equal however the rows are ordered or cut into calls: a matrix product may round differently for another number
    of rows, so every product here is over exactly `block_rows` of them, filled up with zeros. Raises UsageError if
    the rows have another width.
    """
    if rows.ndim != 2 or rows.shape[1] != encoder.n_inputs:
        raise UsageError(f"the encoder takes rows of shape (n, {encoder.n_inputs})", f"found {rows.shape}",
                         "encode the rows with the features the encoder was trained on")
    embeddings = np.empty((len(rows), encoder.n_outputs), np.float32)
    block = torch.zeros(block_rows, rows.shape[1])
    with one_thread(), torch.inference_mode():
        for start in range(0, len(rows), block_rows):
            part = np.array(rows[start : start + block_rows], np.float32)  # a copy: torch warns of read-only memory
            block[: len(part)] = torch.from_numpy(part)
            block[len(part) :] = 0
            embeddings[start : start + len(part)] = encoder(block)[: len(part)].numpy()
    return embeddings


@contextmanager
def one_thread() -> Iterator[None]:
    """With torch's operations in one thread each.

    The matrices of a batch are small: several threads wait for each other longer than they work, and on a machine that
    is busy with something else ten times as long.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

"""What the rest of the package may rely on in any encoder."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from torch import nn


class Encoder(nn.Module):
    """Rows (*, n_inputs) -> embeddings (*, n_outputs), each row by itself and not length-normalised."""

    n_inputs: int
    n_outputs: int

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The arguments, JSON scalars, that build an encoder of the same shapes."""

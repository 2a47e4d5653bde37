"""Encoders as ONNX graphs: written out node by node, in operators that every runtime has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, nn

from anomaly_cl.encoders.encoder import Encoder
from anomaly_cl.encoders.metrics import SpaceMetrics
from anomaly_cl.encoders.tabular import ResidualMLP
from anomaly_cl.encoders.towers import TwoTowers
from anomaly_cl.errors import UsageError

if TYPE_CHECKING:
    import onnx

ROWS, EMBEDDING = "rows", "embedding"  # names of input and output
OPSET, IR_VERSION = 17, 8  # old enough for the runtimes of years ago, and all that is needed


def onnx_model(encoder: Encoder, metadata: Mapping[str, str]) -> onnx.ModelProto:
    """The encoder as a checked ONNX model: `rows` float32 (n, n_inputs) -> `embedding` float32 (n, n_outputs).

    Raises UsageError where onnx is not installed, or for an encoder of another kind than those of rows.
    """
    try:
        import onnx
        from onnx import TensorProto, helper
    except ModuleNotFoundError as error:
        raise UsageError("the export needs onnx", "it is not installed",
                         'install it with pip install "anomaly_cl[onnx]"') from error
    graph = _Graph(helper, onnx.numpy_helper)
    graph.node("Identity", [graph.encoder(encoder, ROWS)], output=EMBEDDING)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])
            for name, width in ((ROWS, encoder.n_inputs), (EMBEDDING, encoder.n_outputs))]
    made = helper.make_graph(graph.nodes, "encoder", ends[:1], ends[1:], graph.arrays)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION,
                              producer_name="anomaly_cl")
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)
    return model


class _Graph:
    """Nodes and arrays of a graph as it grows; each method gives the name of what it computes."""

    def __init__(self, helper: Any, numpy_helper: Any):
        self._helper, self._numpy = helper, numpy_helper
        self.nodes: list[Any] = []
        self.arrays: list[Any] = []

    def encoder(self, encoder: Encoder, rows: str) -> str:
        """Embeddings of rows; see the class of each encoder."""
        if isinstance(encoder, ResidualMLP):
            return self._residual(encoder, rows)
        if isinstance(encoder, SpaceMetrics):
            size = encoder.n_inputs // encoder.spaces
            parts = [self._columns(rows, np.arange(start, start + size)) for start in range(0, encoder.n_inputs, size)]
            return self._side_by_side([self._residual(metric, part)  # type: ignore[arg-type]
                                       for metric, part in zip(encoder.metrics, parts, strict=True)])
        if isinstance(encoder, TwoTowers):
            parts = [self._columns(rows, index.numpy()) for index in (encoder.index_a, encoder.index_b)]
            return self._side_by_side([self.encoder(tower, part) for tower, part in
                                       zip((encoder.tower_a, encoder.tower_b), parts, strict=True)])
        raise UsageError("encoders of rows are exported: ResidualMLP, SpaceMetrics and TwoTowers",
                         f"this one is a {type(encoder).__name__}", "use the detector itself")

    def node(self, kind: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        name = output or f"v{len(self.nodes)}"
        self.nodes.append(self._helper.make_node(kind, inputs, [name], **attributes))
        return name

    def array(self, values: np.ndarray) -> str:
        name = f"w{len(self.arrays)}"
        self.arrays.append(self._numpy.from_array(np.ascontiguousarray(values), name))
        return name

    def _residual(self, mlp: ResidualMLP, rows: str) -> str:
        kept = rows if mlp.projection is None else self.node("MatMul", [rows, self._weight(mlp.projection)])
        hidden = self._linear(mlp.first, rows if mlp.limit is None else self._limited(rows, mlp.limit))
        for block in mlp.blocks:
            inner = self._linear(block.inner, self.node("Relu", [hidden]))  # type: ignore[arg-type]
            hidden = self.node("Add", [hidden, self._linear(block.outer, self.node("Relu", [inner]))])  # type: ignore[arg-type]
        return self.node("Add", [kept, self._linear(mlp.last, self.node("Relu", [hidden]))])

    def _limited(self, rows: str, limit: float) -> str:
        bound = self.array(np.float32(limit).reshape(1))
        return self.node("Mul", [bound, self.node("Tanh", [self.node("Div", [rows, bound])])])

    def _linear(self, layer: nn.Linear, rows: str) -> str:
        return self.node("Gemm", [rows, self.array(layer.weight.detach().numpy()),
                                  self.array(layer.bias.detach().numpy())], transB=1)

    def _weight(self, matrix: Tensor) -> str:
        return self.array(matrix.detach().numpy().T)

    def _columns(self, rows: str, positions: np.ndarray) -> str:
        return self.node("Gather", [rows, self.array(positions.astype(np.int64))], axis=1)

    def _side_by_side(self, parts: list[str]) -> str:
        return self.node("Concat", parts, axis=1)

"""The segmenter as ONNX, which OpenCV runs.

Keras' own export goes through a second package and another order of the axes; this network has six
kinds of layers.
"""

from __future__ import annotations

import keras
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from screening.karyogram.locate.segments import KINDS


def onnx_model(model: keras.Model) -> bytes:
    """Return the network as ONNX: (1, 1, h, w) to (1, 16, h / 2, w / 2); batch normalisation is
    folded into the convolutions."""
    nodes, weights = [], []
    names: dict[str, str] = {}
    pads: dict[str, int] = {}
    order = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]

    def source(layer: keras.layers.Layer) -> list[str]:
        tensors = layer.input if isinstance(layer.input, list) else [layer.input]
        return [names[t.name] for t in tensors]

    names[model.input.name] = "page"
    follow = {layer.input.name: layer for layer in order if not isinstance(layer.input, list)}
    for layer in order:
        out = layer.output.name
        kind = type(layer).__name__
        if kind == "ZeroPadding2D":
            names[out] = source(layer)[0]
            pads[out] = layer.padding[0][0]
        elif kind == "Conv2D":
            kernel = layer.get_weights()[0]
            bias = layer.get_weights()[1] if layer.use_bias else np.zeros(kernel.shape[-1])
            norm = follow.get(out)
            if isinstance(norm, keras.layers.BatchNormalization):
                gamma, beta, mean, variance = norm.get_weights()
                factor = gamma / np.sqrt(variance + norm.epsilon)
                kernel, bias = kernel * factor, beta + (bias - mean) * factor
            base = layer.name
            weights += [
                numpy_helper.from_array(kernel.transpose(3, 2, 0, 1).astype("f4"), base + "/w"),
                numpy_helper.from_array(bias.astype("f4"), base + "/b"),
            ]
            pad = pads.get(layer.input.name, 0)
            nodes.append(
                helper.make_node(
                    "Conv", [*source(layer), base + "/w", base + "/b"], [out],
                    kernel_shape=list(layer.kernel_size), strides=list(layer.strides),
                    dilations=list(layer.dilation_rate), pads=[pad] * 4,
                )
            )  # fmt: skip
            names[out] = out
        elif kind == "BatchNormalization":
            names[out] = source(layer)[0]
        elif kind == "ReLU":
            nodes.append(helper.make_node("Relu", source(layer), [out]))
            names[out] = out
        elif kind == "UpSampling2D":
            scales = numpy_helper.from_array(np.array([1, 1, 2, 2], "f4"), layer.name + "/s")
            weights.append(scales)
            nodes.append(
                helper.make_node(
                    "Resize", [*source(layer), "", layer.name + "/s"], [out], mode="nearest",
                    coordinate_transformation_mode="asymmetric", nearest_mode="floor",
                )
            )  # fmt: skip
            names[out] = out
        elif kind == "Concatenate":
            nodes.append(helper.make_node("Concat", source(layer), [out], axis=1))
            names[out] = out
        else:
            raise TypeError(f"no ONNX form is known for the layer {kind}")
    result = names[model.output.name]
    place = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "page segments",
        [place("page", TensorProto.FLOAT, [1, 1, "height", "width"])],
        [place(result, TensorProto.FLOAT, [1, 4 * len(KINDS), "rows", "columns"])],
        weights,
    )
    opset = [helper.make_opsetid("", 13)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()

# SPDX-License-Identifier: Apache-2.0
import gzip
import hashlib
import re

import numpy as np
import onnx
import onnxruntime
import pytest

from swm import bundled


def classify(images):
    session = onnxruntime.InferenceSession(bundled.model_path(), providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"image": images})
    assert logits.shape == (len(images), 10)
    assert logits.dtype == np.float32
    return logits.argmax(axis=1)


def stated(row):
    """The count of correct images in one row of the table in LICENSE.md."""
    text = (bundled.model_path().parent / "LICENSE.md").read_text(encoding="utf-8")
    found = re.search(rf"\| {re.escape(row)} \| ([\d,]+) \|", text)
    assert found is not None, row
    return int(found[1].replace(",", ""))


@pytest.mark.parametrize(("load", "count"), [(bundled.calibration, 2000), (bundled.test, 1000)])
def test_images_have_the_stated_shape_type_and_range(load, count):
    images, labels = load()
    assert images.shape == (count, 784)
    assert images.dtype == np.float32
    assert (images.min(), images.max()) == (0, 1)
    assert labels.shape == (count,)
    assert labels.dtype == np.int64
    # Every digit about equally often: a calibration set without one of them would be misleading.
    assert np.bincount(labels, minlength=10).min() > 0.07 * count


def test_calibration_and_test_images_do_not_overlap():
    def digests(images):
        return {hashlib.sha256(image.tobytes()).digest() for image in images}

    calibration, test = digests(bundled.calibration()[0]), digests(bundled.test()[0])
    assert len(calibration) == 2000
    assert len(test) == 1000
    assert not calibration & test


def test_model_is_a_plain_mlp_with_a_free_batch():
    model = onnx.load(bundled.model_path())
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version == 10
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 17)]
    assert "train_bundled.py" in model.doc_string
    assert [node.op_type for node in model.graph.node] == ["Gemm", "Relu", "Gemm", "Relu", "Gemm"]
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    assert shapes == {
        "fc1.weight": (512, 784),
        "fc1.bias": (512,),
        "fc2.weight": (512, 512),
        "fc2.bias": (512,),
        "fc3.weight": (10, 512),
        "fc3.bias": (10,),
    }
    assert {tensor.data_type for tensor in model.graph.initializer} == {onnx.TensorProto.FLOAT}
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert (dims[0].dim_param, dims[1].dim_value) == ("batch", 784)


def test_accuracy_on_the_bundled_images_is_the_one_the_licence_file_states():
    images, labels = bundled.test()
    right = classify(images) == labels
    assert right.mean() >= 0.98
    # One image may tip over where another processor sums in another order.
    assert abs(stated("the bundled 1,000") - int(right.sum())) <= 1


def test_test_images_are_the_first_thousand_of_mnist(shared):
    path = shared / "data" / "mnist" / "t10k-images-idx3-ubyte.gz"
    if not path.is_file():
        pytest.skip(f"the shared folder holds no MNIST ({path})")
    pixels = np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=16).reshape(-1, 784)
    images, _ = bundled.test()
    np.testing.assert_array_equal(np.rint(images * 255), pixels[:1000])


def test_accuracy_on_all_ten_thousand_is_the_one_the_licence_file_states(shared):
    folder = shared / "data" / "mnist"
    if not folder.is_dir():
        pytest.skip(f"the shared folder holds no MNIST ({folder})")
    images = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())
    pixels = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784).astype(np.float32) / 255
    right = classify(pixels) == np.frombuffer(labels, np.uint8, offset=8)
    assert right.mean() >= 0.982
    assert abs(stated("all 10,000 of the test set") - int(right.sum())) <= 3

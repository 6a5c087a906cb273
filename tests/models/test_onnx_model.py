"""ONNX networks, against ONNX Runtime asked directly."""

from __future__ import annotations

import json
import pickle

import numpy as np
import onnxruntime
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from cuelens import InputError, load_model  # noqa: E402
from cuelens.features import LogMel  # noqa: E402
from cuelens.models import Model, OnnxModel, WindowedLogMel, model_output  # noqa: E402
from cuelens.models.load import bundled_folder  # noqa: E402
from cuelens.testing import noise, speech_like  # noqa: E402

CLIPS = [
    speech_like(duration_s=0.3),
    noise(duration_s=0.2),
    speech_like(f0_hz=200.0, duration_s=0.3),
    noise(duration_s=0.3, seed=1),
]
SHAPES = {  # of the input; how a clip becomes it
    "(batch, time)": (["n", "t"], lambda x: x[None]),
    "(1, time)": ([1, "t"], lambda x: x[None]),
    "(batch, 1, time)": (["n", 1, "t"], lambda x: x[None, None]),
    "(time)": (["t"], lambda x: x),
}


def save(file, *, shape=("n", "t"), softmax=False, metadata=None, dtype=TensorProto.FLOAT):
    """Means over time of x, |x| and x squared, times a matrix: logits or probabilities."""
    kind = np.dtype(helper.tensor_dtype_to_np_dtype(dtype))
    weights = np.array([[40.0, -40, 0], [9.0, -4, 1], [-30.0, 20, 9]], dtype=kind)
    n = len(shape)
    nodes = [
        helper.make_node("Abs", ["x"], ["a"]),
        helper.make_node("Mul", ["x", "x"], ["s"]),
    ]
    for name in "xas":
        nodes += [
            helper.make_node("ReduceMean", [name, "last"], [f"m{name}"], keepdims=1),
            helper.make_node("Reshape", [f"m{name}", "column"], [f"c{name}"]),
        ]
    out = "logits" if not softmax else "before"
    nodes += [
        helper.make_node("Concat", ["cx", "ca", "cs"], ["hidden_states"], axis=1),
        helper.make_node("MatMul", ["hidden_states", "w"], [out]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["before"], ["probabilities"], axis=1))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", dtype, list(shape))],
        [helper.make_tensor_value_info("probabilities" if softmax else "logits", dtype, ["n", 3])],
        [
            numpy_helper.from_array(weights, "w"),
            numpy_helper.from_array(np.array([n - 1]), "last"),
            numpy_helper.from_array(np.array([-1, 1]), "column"),
        ],
    )
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    if metadata:
        helper.set_model_props(network, metadata)
    onnx.checker.check_model(network)
    onnx.save(network, file)
    return file


def directly(file, arrays, output=None):
    session = onnxruntime.InferenceSession(str(file))
    name = session.get_inputs()[0].name
    found = [session.run(output and [output], {name: each})[0] for each in arrays]
    return np.concatenate(found).astype(np.float64)


def softmaxed(logits):
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("given", ["logit", "value", "probability", None])
def test_answers_are_those_of_the_runtime(tmp_path, kind, given):
    shape, shaped = SHAPES[kind]
    softmax = given in {"probability", None}
    file = save(tmp_path / "tiny.onnx", shape=shape, softmax=softmax)
    said = f"&output={given}" if given else ""
    model = load_model(f"onnx:{file}?labels=a,b,c&rate=8000{said}")
    raw = directly(file, [shaped(clip) for clip in CLIPS])
    expected = softmaxed(raw) if given == "logit" else raw
    assert np.ptp(expected, axis=0).max() > 0.05
    np.testing.assert_allclose(model.predict_proba(CLIPS), expected, atol=1e-5)
    assert isinstance(model, Model)
    assert model.labels == ("a", "b", "c")
    assert (model.name, model.sample_rate) == ("tiny", 8000)
    assert model_output(model) == ("value" if given == "value" else "probability")
    assert model.predict_proba([]).shape == (0, 3)


@pytest.mark.parametrize("dtype", [TensorProto.DOUBLE, TensorProto.FLOAT16])
def test_other_precisions(tmp_path, dtype):
    file = save(tmp_path / "tiny.onnx", dtype=dtype)
    model = load_model(f"onnx:{file}?labels=a,b,c&output=value")
    kind = helper.tensor_dtype_to_np_dtype(dtype)
    expected = directly(file, [clip[None].astype(kind) for clip in CLIPS])
    np.testing.assert_allclose(model.predict_proba(CLIPS), expected, atol=1e-5)


def test_logits_have_to_be_said(tmp_path):
    file = save(tmp_path / "tiny.onnx")
    with pytest.raises(InputError, match=r"do not add up to 1; say what they are, with output= in"):
        load_model(f"onnx:{file}?labels=a,b,c").predict_proba(CLIPS)
    values = load_model(f"onnx:{file}?labels=Arousal,dominance,valence")
    assert model_output(values) == "value"
    np.testing.assert_allclose(
        values.predict_proba(CLIPS), directly(file, [clip[None] for clip in CLIPS]), atol=1e-5
    )


def test_what_is_said_in_the_file_beside_it_and_in_the_name(tmp_path):
    metadata = {"labels": '["x", "y", "z"]', "output": "logit", "sample_rate": "8000"}
    file = save(tmp_path / "tiny.onnx", metadata=metadata)
    model = load_model(f"onnx:{file}")
    assert model.labels == ("x", "y", "z")
    assert (model.sample_rate, model.network_output) == (8000, "logit")
    beside = tmp_path / "tiny.onnx.json"
    beside.write_text(json.dumps({"labels": ["p", "q", "r"], "sample_rate": 22_050}))
    model = load_model(f"onnx:{file}")
    assert (model.labels, model.sample_rate) == (("p", "q", "r"), 22_050)
    assert model.network_output == "logit"
    model = load_model(f"onnx:{file}?labels=1,2,3&rate=11025&output=value")
    assert (model.labels, model.sample_rate) == (("1", "2", "3"), 11_025)
    assert model.network_output == "value"


def test_log_mel_pictures_are_those_of_the_bundled_network():
    """The same network, front end and averaging, through the adapter for everyone's."""
    bundled = load_model("emodb-cnn")
    file = bundled_folder("emodb-cnn") / "model.onnx"
    labels = ",".join(bundled.labels)
    model = load_model(f"onnx:{file}?labels={labels}&input=log_mel&output=logit")
    clips = [*CLIPS, np.zeros(8000, np.float32), speech_like(duration_s=3.3)]
    np.testing.assert_allclose(
        model.predict_proba(clips), bundled.predict_proba(clips), rtol=0, atol=1e-5
    )
    value = OnnxModel(
        file=file, labels=bundled.labels, network_output="value", front_end=WindowedLogMel()
    )
    shown = WindowedLogMel().network_input(CLIPS[0])
    expected = shown.shares @ bundled.logits(shown.values)
    np.testing.assert_allclose(value.predict_proba(CLIPS[:1])[0], expected, atol=1e-4)
    silence = WindowedLogMel().inputs(np.zeros((1, 32_000), np.float32))
    np.testing.assert_allclose(
        value.predict_proba([np.zeros(8000, np.float32)]), bundled.logits(silence), atol=1e-4
    )


def test_a_front_end_of_ones_own(tmp_path):
    file = bundled_folder("emodb-cnn") / "model.onnx"
    copy = tmp_path / "net.onnx"
    copy.write_bytes(file.read_bytes())
    labels = list(load_model("emodb-cnn").labels)
    said = {"labels": labels, "input": "log_mel", "output": "logit"}
    (tmp_path / "net.onnx.json").write_text(
        json.dumps(said | {"front_end": {"hop_s": 0.5, "log_mel": {"n_fft": 2048}}})
    )
    model = load_model(f"onnx:{copy}")
    assert model.front_end.hop_s == 0.5
    assert model.front_end.log_mel.n_fft == 2048
    shown = WindowedLogMel(hop_s=0.5, log_mel=LogMel(n_fft=2048)).network_input(CLIPS[0])
    expected = shown.shares @ softmaxed(directly(copy, [shown.values]))
    np.testing.assert_allclose(model.predict_proba(CLIPS)[0], expected, atol=1e-5)
    (tmp_path / "net.onnx.json").write_text(json.dumps(said | {"front_end": {"window_s": 1.0}}))
    with pytest.raises(InputError, match=r"Expected: 134 .*; expected the front_end that it was"):
        load_model(f"onnx:{copy}").predict_proba(CLIPS)
    (tmp_path / "net.onnx.json").write_text(json.dumps(said | {"front_end": {"window": 1.0}}))
    with pytest.raises(InputError, match="expected settings of WindowedLogMel"):
        load_model(f"onnx:{copy}")


def test_a_fixed_length_is_filled_with_silence_and_never_cut(tmp_path):
    file = save(tmp_path / "tiny.onnx", shape=["n", 4000])
    model = load_model(f"onnx:{file}?labels=a,b,c&output=logit")
    filled = np.pad(CLIPS[1], (0, 800))[None]
    np.testing.assert_allclose(
        model.predict_proba(CLIPS[1:2]), softmaxed(directly(file, [filled])), atol=1e-5
    )
    with pytest.raises(InputError, match=r"takes 4000 samples \(0\.25 s\) and was given 4800"):
        model.predict_proba(CLIPS[:1])


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (np.zeros((2, 8000), np.float32), r"shape \(2, 8000\); expected \(n_samples,\)"),
        (np.zeros(0, np.float32), "0 samples"),
        (np.full(4000, np.nan, np.float32), "4000 samples that are NaN or infinite"),
    ],
)
def test_what_it_cannot_take_is_one_clear_line(tmp_path, waveform, message):
    model = load_model(f"onnx:{save(tmp_path / 'tiny.onnx')}?labels=a,b,c&output=logit")
    with pytest.raises(InputError, match=message) as error:
        model.predict_proba([waveform])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("", r"nothing says what its outputs are called; expected tiny\.onnx\.json"),
        ("?labels=a,b", r"has outputs logits \['n', 3\] and 2 labels; expected one of as many"),
        ("?labels=a,b,c&node=x", r"has outputs logits"),
        ("?labels=a,b,c&rate=16k", "sample rate is '16k'"),
        ("?labels=a,b,c&input=mel", "input is 'mel'; expected one of waveform, log_mel"),
        ("?labels=a,b,c&input=log_mel", r"takes x tensor\(float\) .*; expected pictures"),
        ("?labels=a,b,c&output=logits", "output is 'logits'; expected one of"),
        ("?label=a", r"model option 'label=a'; expected NAME=VALUE"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(tmp_path, said, message):
    file = save(tmp_path / "tiny.onnx")
    with pytest.raises(InputError, match=message) as error:
        load_model(f"onnx:{file}{said}")
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="no such file; expected an ONNX network"):
        load_model(f"onnx:{tmp_path}/none.onnx?labels=a,b")
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    with pytest.raises(InputError, match=r"bad\.onnx: cannot be read as ONNX") as error:
        load_model(f"onnx:{tmp_path}/bad.onnx?labels=a,b")
    assert "\n" not in str(error.value)
    file = save(tmp_path / "tiny.onnx", metadata={"labels": "a,b,c"})
    with pytest.raises(InputError, match="its metadata 'labels' is no JSON"):
        load_model(f"onnx:{file}")
    with pytest.raises(InputError, match=r"expected waveforms .* say input=log_mel"):
        load_model(f"onnx:{bundled_folder('emodb-cnn')}/model.onnx?labels=1,2,3,4,5,6,7")


def test_it_travels_to_other_processes(tmp_path):
    file = save(tmp_path / "tiny.onnx")
    model = load_model(f"onnx:{file}?labels=a,b,c&output=logit")
    expected = model.predict_proba(CLIPS)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(CLIPS), expected)


def changed(file, change):
    network = onnx.load(file)
    change(network.graph)
    onnx.save(network, file)
    return file


def test_labels_that_do_not_exclude_each_other_go_through_a_sigmoid_each(tmp_path):
    file = save(tmp_path / "tiny.onnx")
    model = load_model(f"onnx:{file}?labels=a,b,c&output=multi_label_logit")
    raw = directly(file, [clip[None] for clip in CLIPS])
    np.testing.assert_allclose(model.predict_proba(CLIPS), 1 / (1 + np.exp(-raw)), atol=1e-6)
    assert model_output(model) == "probability"


def test_pictures_one_by_one_where_the_network_takes_one(tmp_path):
    """emodb-cnn, whose first axis is fixed to 1: clips of several windows all the same."""
    bundled = load_model("emodb-cnn")
    file = tmp_path / "one.onnx"
    file.write_bytes((bundled_folder("emodb-cnn") / "model.onnx").read_bytes())

    def fix(graph):
        for each in (graph.input[0], graph.output[0]):
            each.type.tensor_type.shape.dim[0].dim_value = 1

    changed(file, fix)
    labels = ",".join(bundled.labels)
    model = load_model(f"onnx:{file}?labels={labels}&input=log_mel&output=logit")
    clips = [speech_like(duration_s=4.3), *CLIPS]
    assert len(WindowedLogMel().network_input(clips[0]).values) > 2
    np.testing.assert_allclose(
        model.predict_proba(clips), bundled.predict_proba(clips), rtol=0, atol=1e-5
    )


def transposed(graph):
    """(3, n) instead of (n, 3)."""
    graph.node.append(helper.make_node("Transpose", ["logits"], ["turned"], perm=[1, 0]))
    graph.output.pop()


@pytest.mark.parametrize("said", [[3, "n"], ["a", "b"]])
def test_axes_the_wrong_way_round_are_refused(tmp_path, said):
    def turn(graph):
        transposed(graph)
        graph.output.append(helper.make_tensor_value_info("turned", TensorProto.FLOAT, said))

    file = changed(save(tmp_path / "tiny.onnx"), turn)
    with pytest.raises(
        InputError,
        match=r"3 labels; .* in its last axis|returned shape \(3, 2\); expected \(2, 3\)",
    ):
        load_model(f"onnx:{file}?labels=a,b,c&output=logit").predict_proba([CLIPS[0], CLIPS[2]])


def test_an_axis_of_time_is_refused(tmp_path):
    def over_time(graph):
        graph.node.append(helper.make_node("Reshape", ["x", "frames"], ["framed"]))
        graph.initializer.append(numpy_helper.from_array(np.array([0, -1, 3]), "frames"))
        graph.output.pop()
        graph.output.append(
            helper.make_tensor_value_info("framed", TensorProto.FLOAT, ["n", "t", 3])
        )

    file = changed(save(tmp_path / "tiny.onnx"), over_time)
    model = load_model(f"onnx:{file}?labels=a,b,c&output=value")
    with pytest.raises(InputError, match=r"shape \(1, 1600, 3\); expected \(1, 3\), .*over time"):
        model.predict_proba(CLIPS[:1])


def test_a_first_axis_of_another_size_is_refused(tmp_path):
    file = save(tmp_path / "tiny.onnx", shape=[4, "t"])
    with pytest.raises(InputError, match=r"takes 4 inputs at once, .* dynamic first axis"):
        load_model(f"onnx:{file}?labels=a,b,c&output=logit")


def test_too_short_is_told_with_the_length_needed_and_once(tmp_path, capfd):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["y"], strides=[16]),
        helper.make_node("GlobalAveragePool", ["y"], ["m"]),
        helper.make_node("Flatten", ["m"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, "t"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(np.ones((3, 1, 640), np.float32), "w")],
    )
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(network, tmp_path / "tiny.onnx")
    model = load_model(f"onnx:{tmp_path / 'tiny.onnx'}?labels=a,b,c&output=logit")
    with pytest.raises(InputError, match=r"fails .* expected 640 samples or more \(40 ms\)"):
        model.predict_proba([noise()[:639]])
    assert model.predict_proba([noise()[:640]]).shape == (1, 3)
    assert capfd.readouterr().err == ""


def test_a_fixed_length_is_said(tmp_path):
    fixed = load_model(f"onnx:{save(tmp_path / 'a.onnx', shape=['n', 4000])}?labels=a,b,c")
    assert fixed.max_duration_s == 0.25
    free = load_model(f"onnx:{save(tmp_path / 'b.onnx')}?labels=a,b,c")
    assert free.max_duration_s == np.inf

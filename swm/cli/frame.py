# SPDX-License-Identifier: Apache-2.0
"""`swm frame`: a model brought to what hardware takes for a sample."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

import swm
from swm.cli.common import check_file, example, json_option, load_arrays, out, progress_bar, write_json
from swm.errors import OptionError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@click.command(
    epilog=example(
        "swm frame bidi-lstm.onnx -o framed.onnx --size length=32\n"
        "swm frame torch-lstm.onnx -o framed.onnx --batch-axis 1 --drop c_n\n"
        "swm frame torch-with-states.onnx -o framed.onnx --batch-axis batch\n"
        "swm frame packed-gru.onnx -o framed.onnx --size steps=20 --fix lengths=20 --fix h_0=0\n"
        "swm frame bert.onnx -o framed.onnx --fix attention_mask=1 --fix position_ids=positions.npy\n"
        "swm frame dtln.onnx -o framed.onnx --state input_3=tf_op_layer_stack_2 --steps 100"
    )
)
@click.argument("model")
@click.option("-o", "--output", required=True, metavar="OUT.onnx", help="The model that is written.")
@click.option("--size", "sizes", multiple=True, metavar="NAME=N", help="A length that MODEL leaves open; repeatable.")
@click.option(
    "--batch-axis",
    default="0",
    show_default=True,
    metavar="N|NAME|new",
    help="Axis of the inputs along which samples lie, by its number or, where inputs differ, by the name of the open"
    " axis; new: a whole run of MODEL is one sample.",
)
@click.option(
    "--state",
    "states",
    multiple=True,
    metavar="IN=OUT",
    help="An input that holds states and the output that is fed back into it; repeatable. Both go, states stay inside.",
)
@click.option("--steps", type=int, metavar="N", help="With --state: steps of a sample, which begins with zero states.")
@click.option("--drop", multiple=True, metavar="OUT", help="An output that nobody needs, such as Y_c; repeatable.")
@click.option(
    "--fix",
    multiple=True,
    metavar="IN=NUMBER|FILE.npy",
    help="An input that holds one number everywhere: the steps of sequences that are all whole, 0 of initial states, 1"
    " of a mask that hides nothing; or a sample's values, the same for all, such as positions. Repeatable. It goes.",
)
@click.option("--force", is_flag=True, help="Replace OUT.onnx.")
@json_option
def frame(
    model: str,
    output: str,
    sizes: tuple[str, ...],
    batch_axis: str,
    states: tuple[str, ...],
    steps: int | None,
    drop: tuple[str, ...],
    fix: tuple[str, ...],
    force: bool,
    json_to: str | None,
) -> None:
    """Write MODEL for samples that hardware takes: fixed lengths, samples along axis 0, states kept inside.

    Hardware computes one frame after the other, each of a fixed number of values. A model of open length, one whose
    samples lie along another axis than the first, and one that gives its states to the caller and takes them back have
    no such frames. What is written has, and gives the same numbers: it is compared with MODEL on random inputs first.
    """
    check_file(output, (model,), force=force)
    lengths = {name: _number(name, value) for name, value in _pairs(sizes, "--size")}
    with progress_bar() as progress:
        progress("read the model", 0, 2)
        graph = swm.load(model, simplify=True)
        progress("compare", 1, 2)
        made = swm.frame(
            graph,
            sizes=lengths,
            batch_axis=None if batch_axis == "new" else int(batch_axis) if batch_axis.isdecimal() else batch_axis,
            states=dict(_pairs(states, "--state")),
            steps=steps,
            drop=drop,
            fix={name: _number_or_values(name, value) for name, value in _pairs(fix, "--fix")},
        )
        swm.save(made, output)
    ends = {
        side: {v.name: None if v.type is None or v.type.shape is None else list(v.type.shape) for v in values}
        for side, values in (("inputs", made.inputs), ("outputs", made.outputs))
    }
    if write_json(json_to, {"output": output, **ends}):
        return
    for side, values in ends.items():
        shown = ", ".join(f"{name} {'?' if shape is None else tuple(shape)}" for name, shape in values.items())
        out.print(Text(f"{side}: {shown}"))
    out.print(Text(f"written: {output}; next: swm check {output}"))


def _pairs(given: Iterable[str], option: str) -> list[tuple[str, str]]:
    found = []
    for text in given:
        name, equals, value = text.rpartition("=")
        if not (name and equals and value):
            raise OptionError(f"{option} {text!r}: write it as NAME=VALUE")
        found.append((name, value))
    return found


def _number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise OptionError(f"{name}: {text!r} is not a number") from None


def _number_or_values(name: str, text: str) -> int | NDArray[Any]:
    if not text.lower().endswith(".npy"):
        return _number(name, text)
    found = load_arrays(text)
    assert not isinstance(found, dict)  # of .npz alone
    return found

# SPDX-License-Identifier: Apache-2.0
"""`swm finetune`: a model is converted and trained in its structure; the result is an ONNX file again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

import swm
from swm.cli.common import (
    check_file,
    console,
    example,
    json_option,
    load_arrays,
    load_labels,
    out,
    progress_bar,
    stored_lines,
    write_json,
)
from swm.words import many

if TYPE_CHECKING:
    from swm.finetuning import FineTuned


@click.command(
    epilog=example(
        "swm finetune model.onnx --data x.npy --labels y.npy --block 8 --bits 12 --epochs 5 -o small.onnx\n"
        "swm finetune model.onnx --data x.npy --labels y.npy --structure cgs-3bit --block 8 -o small.onnx\n"
        "swm finetune small.onnx --teacher model.onnx --data x.npy --epochs 10 -o better.onnx    # structured already\n"
        "swm finetune model.onnx --data x.npy --budget 4x -o small.onnx    # without labels: the model is the teacher\n"
        "swm finetune model.onnx --data x.npy --labels y.npy --budget 4x --refine -o small.onnx"
    )
)
@click.argument("model")
@click.option("-o", "--output", required=True, metavar="OUT.onnx", help="The trained model.")
@click.option(
    "--data",
    required=True,
    metavar="X.npy",
    help="Inputs to train on, samples along axis 0 (.npz by name for several inputs; .csv: a row each).",
)
@click.option("--labels", metavar="Y.npy", help="Class numbers of the data; without them the teacher alone is right.")
@click.option("--teacher", metavar="DENSE.onnx", help="Whose answers are learnt [default: those of MODEL as given].")
@click.option(
    "--validation",
    metavar="X.npy",
    help="Inputs to choose the best epoch by [default: a fifth of the data, at most 2,000, is held out].",
)
@click.option("--validation-labels", metavar="Y.npy", help="Class numbers of the --validation inputs.")
@click.option("--block", help="Block size, or sizes by layer name or pattern, as for `swm convert`.")
@click.option("--budget", help="Instead of --block: bits of all weights, or a compression like 8x.")
@click.option(
    "--structure",
    "structure_name",
    default="circulant",
    show_default=True,
    metavar="NAME",
    help="Of the new weights, with --block for its size, as for `swm convert`: circulant, cgs, hcgs, bits, cgs-1bit to "
    "cgs-8bit, ternary4, ternary8, ternary16, nof4, nof8, nof16, permuted-diagonal.",
)
@click.option("--bits", type=int, help="Round weights and activations to so many bits while training, 4 to 18.")
@click.option("--epochs", type=int, default=5, show_default=True, help="Epochs at most.")
@click.option("--batch", type=int, default=128, show_default=True, help="Samples a step.")
@click.option("--rate", type=float, default=1e-3, show_default=True, help="Peak of the learning rate (Adam).")
@click.option("--decay", type=float, default=0.0, show_default=True, help="Weight decay.")
@click.option(
    "--distillation",
    type=float,
    default=0.5,
    show_default=True,
    help="Share of the teacher's answers in the loss beside labels, 0 to 1.",
)
@click.option("--patience", type=int, default=0, help="End after so many epochs without a better one [default: never].")
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything that is drawn.")
@click.option(
    "--refine",
    is_flag=True,
    help="With --budget: measure each layer again after training, move sizes within the budget, train as long again; "
    "kept only where the validation samples gain.",
)
@click.option("--device", help="Of torch, like cpu or cuda [default: a GPU if there is one].")
@click.option("--resume", is_flag=True, help="Go on from OUT.onnx.checkpoint, which every epoch writes.")
@click.option("--force", is_flag=True, help="Replace OUT.onnx if it exists; never a file that is read.")
@json_option
def finetune(
    model: str,
    output: str,
    data: str,
    labels: str | None,
    teacher: str | None,
    validation: str | None,
    validation_labels: str | None,
    block: str | None,
    budget: str | None,
    structure_name: str,
    bits: int | None,
    epochs: int,
    batch: int,
    rate: float,
    decay: float,
    distillation: float,
    patience: int,
    seed: int,
    refine: bool,
    device: str | None,
    resume: bool,
    force: bool,
    json_to: str | None,
) -> None:
    """Convert MODEL to structured weights and train it, with MODEL itself, or --teacher, as the teacher.

    Training starts from the fit of `swm convert`. After each epoch the validation samples are scored; OUT.onnx gets
    the weights of the best epoch, and runs in any ONNX runtime. Needs torch: pip install 'swm-fpga[torch]'.

    Ctrl-C leaves OUT.onnx.checkpoint, with the state after the last whole epoch, and nothing else.
    """
    from swm.compress import parse_blocks  # here, as `--help` should not wait for it
    from swm.finetuning import REFINED
    from swm.structure import structure_named

    structure = structure_named(structure_name)
    check_file(output, (model, data, labels, teacher, validation, validation_labels), force=force)
    checkpoint = Path(f"{output}.checkpoint")
    sizes = None if block is None else parse_blocks(block)
    try:
        with progress_bar() as progress:
            progress("read the model", 0, 1)
            graph = swm.load(model, simplify=True, detect=True)
            result = swm.finetune(
                graph,
                load_arrays(data, graph),
                load_labels(labels),
                teacher=None if teacher is None else swm.load(teacher, simplify=True, detect=True),
                validation=None if validation is None else load_arrays(validation, graph),
                validation_labels=load_labels(validation_labels),
                block=sizes,
                budget=budget,
                structure=structure,
                bits=bits,
                epochs=epochs,
                batch=batch,
                rate=rate,
                decay=decay,
                distillation=distillation,
                patience=patience,
                seed=seed,
                refine=refine,
                device=device,
                checkpoint=checkpoint,
                resume=resume,
                progress=progress,
            )
            progress("write the model", 0, 1)
            swm.save(result.graph, output)
    except KeyboardInterrupt:
        if checkpoint.exists():
            told = f"{checkpoint} holds the last whole epoch; the same command with --resume goes on"
            console.print(Text(told), soft_wrap=True)
        raise
    for state in (checkpoint, Path(f"{checkpoint}{REFINED}")):
        state.unlink(missing_ok=True)
    if not write_json(json_to, {"output": output, **result.to_json()}):
        _print(result)
        out.print(Text(f"written: {output}"))
    for note in result.notes:
        console.print(Text(f"note: {note}", style="yellow"), soft_wrap=True)


def _print(result: FineTuned) -> None:
    """What training gained."""
    for number, (loss, score) in enumerate(result.history, start=1):
        best = "  <- kept" if number == result.best_epoch else ""
        out.print(Text(f"epoch {number}: loss {loss:.4f}, validation {_score(score)}{best}"))
    if result.best_epoch == 0:
        out.print("No epoch was better than the start, which was kept.", style="yellow")
    if result.refined is not None:
        moves = ", ".join(
            f"{name} {_size(size)} -> {_size(result.refined.after[name])}"
            for name, size in result.refined.before.items()
        )
        first, second = map(_score, result.refined.scores)
        verdict = "kept" if result.refined.kept else "not kept"
        out.print(Text(f"sizes moved within the budget: {moves}; validation {first} -> {second}, {verdict}"))
    found = result.accuracy
    where = many(found.samples, f"{'held-out' if found.origin == 'held out' else 'validation'} sample")
    named = (
        ("given", found.before),
        ("one-shot", found.one_shot),
        ("trained", found.after),
        (f"trained, {result.bits} bits", found.after_fixed),
    )
    figures = [f"{name} {100 * value:.2f} %" for name, value in named if value is not None]
    if figures:
        out.print(Text(f"accuracy on {where}: {', '.join(figures)} (measured)"))
    elif found.agreement is not None:
        out.print(Text(f"largest output as the given network's on {where}: {100 * found.agreement:.2f} % (measured)"))
    elif found.relative_error is not None:
        out.print(Text(f"error of the output on {where}: {100 * found.relative_error:.1f} % of its norm (measured)"))
    if result.conversion is not None:
        for line in stored_lines(result.conversion):
            out.print(line)
    out.print(f"{many(result.epochs, 'epoch')} on {many(result.samples, 'sample')}, {result.seconds:.0f} s")


def _size(size: int) -> str:
    return str(size) if size else "dense"


def _score(score: float) -> str:
    return f"{100 * score:.2f} %" if score >= 0 else f"error {-score:.3g}"

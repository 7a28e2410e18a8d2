"""The commands: options in, the work of the other modules in order, exit code out."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from training.data.dataset import DataSet
from training.data.errors import DataError
from training.jobs import (
    artefacts,
    comparison,
    endpoint,
    evaluate,
    governance,
    image,
    predict,
    registry,
    stack,
)
from training.jobs import deploy as deployment
from training.jobs import train as training_job
from training.jobs import tune as search
from training.jobs.config import Config, load
from training.jobs.errors import CommandError, UsageError
from training.jobs.run import prepare
from training.jobs.sdk import Sdk
from training.jobs.terminal import say

EVALUATION = "evaluation.json"
# Without a terminal a line is printed each time this share more is done.
_STEP = 0.1


def _config(options: argparse.Namespace) -> Config:
    return load(options.config, options.set)


def tune(options: argparse.Namespace, console: Console) -> int:
    """Search; write tuning.json and the plots."""
    search.tune(prepare(_config(options), options.data, options.stack, console), options.out)
    return 0


def train(options: argparse.Namespace, console: Console) -> int:
    """Train with the best hyperparameters; write train.json and the job's output."""
    config = _config(options)
    tuned = {}
    if not options.untuned:
        tuned = search.read_best(options.out / search.RESULT).hyperparameters
        given = {item.partition("=")[0].partition(".")[2] for item in options.set}
        tuned = {name: value for name, value in tuned.items() if name not in given}
    run = prepare(config, options.data, options.stack, console)
    training_job.train(run, tuned, options.out, options.spot, options.managed_rules)
    return 0


def deploy(options: argparse.Namespace, console: Console) -> int:
    """Bring the stack up to the model: the one named, else the one approved last, else train's."""
    config = _config(options)
    model = options.model
    if model is None:
        sagemaker = Sdk(config.jobs).client("sagemaker")
        approved = registry.newest_approved(sagemaker, options.stack)
        if approved is not None:
            for other in registry.changed_since(sagemaker, options.stack, approved):
                say(
                    console,
                    f"version {other.number} is approved too and was changed later. If the console "
                    f"approved it again: `make approve VERSION={other.number}`, and deploy",
                )
            model = approved.model_data
            say(
                console,
                f"version {approved.number} of the registry {options.stack} was approved last "
                f"(model {approved.model_version}); MODEL= deploys another one",
            )
        else:
            model = training_job.read_result(options.out / training_job.RESULT).model_data
    deployment.deploy(config, model, options.stack, options.parameters, options.why, console)
    return 0


def register(options: argparse.Namespace, console: Console) -> int:
    """What train made into the stack's registry, to be approved."""
    client, deployed = _deployed(options)
    trained = training_job.read_result(options.out / training_job.RESULT)
    arn = governance.register(client, deployed, trained, options.out / artefacts.MODEL)
    say(console, f"registered {arn}, pending: `make approve` or the console approves it")
    return 0


def approve(options: argparse.Namespace, console: Console) -> int:
    """A person's yes to one version; nothing is deployed."""
    client = Sdk(_config(options).jobs).client
    version = governance.approve(client, options.stack, options.version, options.why)
    say(console, f"approved {version.arn} (model {version.model_version}); now `make deploy`")
    return 0


def history(options: argparse.Namespace, console: Console) -> int:
    """What was deployed, or what served on a day and how right it was."""
    client, deployed = _deployed(options)
    governance.history(client, deployed, options.at, partial(say, console))
    return 0


def why(options: argparse.Namespace, console: Console) -> int:
    """From a row to all that made its answer."""
    client, deployed = _deployed(options)
    governance.why(client, deployed, options.key, partial(say, console))
    return 0


def _deployed(options: argparse.Namespace) -> tuple[governance.Client, stack.Stack]:
    client = Sdk(_config(options).jobs).client
    return client, stack.look(client("cloudformation"), options.stack)


def predict_one(options: argparse.Namespace, console: Console) -> int:
    """One photo to the endpoint."""
    if options.photo is not None:
        photo = predict.of_user(options.photo)
    else:
        photo = predict.of_test_split(options.data, options.seed)
    sdk = Sdk(_config(options).jobs)
    deployed = stack.look(sdk.client("cloudformation"), options.stack)
    answer = endpoint.ask(sdk.client("sagemaker-runtime"), deployed.endpoint, photo.path)
    predict.show(photo, answer, console)
    picture = options.out / predict.PICTURE
    predict.draw(photo, answer, picture)
    console.print(f"wrote {picture}", markup=False, highlight=False, soft_wrap=True)
    return 0


def evaluate_all(options: argparse.Namespace, console: Console) -> int:
    """The test split through the pipeline; 1 when it differs from the job's own figure."""
    try:
        data = DataSet.open(options.data)
    except DataError as error:
        raise UsageError(str(error)) from error
    if not data.test:
        raise UsageError(f"{options.data}: its test split is empty")
    offline = _offline(options.out)
    sdk = Sdk(_config(options).jobs)
    deployed = stack.look(sdk.client("cloudformation"), options.stack)
    photos = evaluate.keys([(path, index) for path, index in data.test])
    with Progress(
        "{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console, transient=True,
    ) as bars:  # fmt: skip
        report = _reporter(bars, len(photos), console)
        result = evaluate.run(sdk.client, deployed, photos, data.labels, report)
    verdict = comparison.compare(result, offline)
    for line in comparison.words(result, verdict):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    content = comparison.to_json(result, verdict)
    (options.out / EVALUATION).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    _leave(options, console, sdk, deployed, photos)
    if verdict.problem:
        raise CommandError(f"The pipeline is not what the training job measured: {verdict.problem}")
    return 0


def push_image(options: argparse.Namespace, console: Console) -> int:
    """The slim serving image into ECR; prints the template's parameter."""
    address = image.make(options.repository, console)
    console.print(f"ServingImage={address}", markup=False, highlight=False, soft_wrap=True)
    return 0


def _leave(
    options: argparse.Namespace, console: Console, sdk: Sdk, deployed: stack.Stack,
    photos: Sequence[evaluate.Shown],
) -> None:  # fmt: skip
    """The photos and rows of the run are among a user's own: gone on request, else told."""
    prefix = photos[0].key.rpartition("/")[0]
    where = f"s3://{deployed.bucket}/{prefix}/ and in table {deployed.table}"
    if options.clean_up:
        evaluate.clean_up(sdk.client, deployed, photos)
        words = f"deleted: {len(photos)} photos and rows in {where}"
    else:
        words = f"{len(photos)} photos and rows stay in {where}; --clean-up deletes a run's own"
    console.print(words, markup=False, highlight=False, soft_wrap=True)


def _offline(out: Path) -> comparison.Offline:
    """The figure of the training job, from the package it made."""
    package = out / artefacts.MODEL
    if not package.exists():
        raise UsageError(f"{package} is missing. Run `make train` first, or name its OUT folder.")
    return comparison.offline_figure(artefacts.read_manifest(package))


def _reporter(bars: Progress, total: int, console: Console) -> Callable[[str, int], None]:
    """Bars in a terminal, a line now and then elsewhere."""
    tasks = {name: bars.add_task(name, total=total) for name in ("uploaded", "rows")}
    told = dict.fromkeys(tasks, 0.0)

    def report(what: str, count: int) -> None:
        bars.update(tasks[what], completed=count)
        if not console.is_terminal and count >= (told[what] + _STEP) * total:
            told[what] = count / total
            console.print(f"{what} {count} of {total}", highlight=False)

    return report


COMMANDS: dict[str, Callable[[argparse.Namespace, Console], int]] = {
    "tune": tune,
    "train": train,
    "deploy": deploy,
    "predict": predict_one,
    "evaluate": evaluate_all,
    "image": push_image,
    "register": register,
    "approve": approve,
    "history": history,
    "why": why,
}

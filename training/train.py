"""Train a classifier of any folder-per-class data set: SageMaker script mode, torchrun, or bare.

    python training/train.py --lr 0.03                              # bare
    torchrun --nproc-per-node 2 training/train.py --lr 0.03         # several processes, on CPUs
    sagemaker_program=training/train.py                             # under SageMaker's toolkit
    sagemaker_torch_distributed_enabled=true                        # and torchrun on each host

Folders come from SM_CHANNEL_DATA, SM_CHANNEL_FEATURES (optional), SM_CHANNEL_WEIGHTS (optional),
SM_MODEL_DIR and SM_OUTPUT_DATA_DIR, all below SAGEMAKER_BASE_DIR (/opt/ml) where they are not set.

Hyperparameters:
    --backbone         efficientnet_lite0, _lite1, _lite2, resnet50; resnet50_v1 needs --weights
    --weights          file or s3:// URI of the backbone's weights, instead of its own
    --head             linear (starts from the ImageNet classifier) or three-layer (2048, 516)
    --unfreeze         head: the backbone stays, its features are cached; last-stage, all: it learns
    --epochs           at most this many; --patience: stop after so many without a better one
    --batch-size       photos a step, over all processes; --lr: the first rate of a cosine to zero
    --weight-decay     pull of what was pretrained towards where it started, times the rate
    --label-smoothing; --dropout, of the features
    --views            views of each photo: 1 = plain, 2 = and mirrored, more = and random squares
    --precision        auto, float32, bf16: of the training photos' features and a trained backbone
    --dog-score        auto, true, false: whether the model may answer "no dog"
    --model-name       name in the package's manifest
    --features-only    true: compute the features, write them as the model, and end; a channel
                       features of another data set saves the photos that both have
    --debug, --stop-on true: record tensors and evaluate rules; rules that stop the training
    --profile          true: record times and the machine, write a report
    --seed

On the 120 dog breeds the figures flatter: the photos descend from ImageNet, which the backbone has
seen. Exit codes: 0 done, 1 failed (the last line of stderr says why), 2 wrong hyperparameters,
143 interrupted by SIGTERM, after writing a checkpoint from which the same command goes on. On AWS
SIGTERM reaches the toolkit alone: there the job goes on from the last checkpoint before.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

# Started as a file, Python looks for modules beside it; ours are named from the folder above.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from serving.network import fastest_float
from serving.package import PackageError
from training.data.dataset import DataSet
from training.data.errors import DataError
from training.errors import JobError
from training.features.cache import from_channel, from_photos
from training.features.digests import shared_digests
from training.features.file import DESCRIPTION, FILE, Features, describe, write
from training.figures.confidence import THRESHOLDS
from training.figures.report import evaluate, write_json, write_report
from training.fit import checkpoint
from training.fit.batches import FeatureBatches, PhotoBatches, Source
from training.fit.interruption import Interruption
from training.fit.loop import Job, fit, precision
from training.metric_lines import final_lines
from training.network.backbones import Pretrained, load_pretrained
from training.network.heads import anchors, build_network, dog_score, start_from_imagenet
from training.options import HEADS, Folders, Options, hints, job_name, parse
from training.package.export import Trained, export
from training.package.wheels import travelling_wheels
from training.profiler import JobFacts, Profiler
from training.workers import Workers, lost_another, processes

# SageMaker takes a job's FailureReason from the failure file of one of its hosts. So the host with
# the cause must write its own and end before the others: its torchrun and the toolkit need a second
# or two for that. A process that lost another one waits this long, and only then ends. It has left
# the others by then, so all of them wait at the same time. On one host torchrun ends the wait with
# SIGTERM.
LOST_ANOTHER_WAIT_S = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job; returns the exit code."""
    options = parse(arguments, __doc__, processes())
    interruption, folders, workers = Interruption(), Folders.from_env(), Workers.join()
    profiler = Profiler.start(folders.base, enabled=options.profile and workers.first)
    failure: str | None = "ended before its time"
    try:
        run_job(Job(options, folders, workers, profiler, interruption))
        failure = None
    except (JobError, DataError, PackageError) as error:
        failure = str(error)
        # SageMaker's toolkit copies what follows the name of a Python error to output/failure.
        print(f"Exception: {error}", file=sys.stderr, flush=True)
        return 1
    except RuntimeError as error:
        if not lost_another(error):
            raise
        failure = "another process of this job has ended; its own log says why"
        print(f"Exception: {failure} ({error})", file=sys.stderr, flush=True)
    finally:
        profiler.close(folders.output, job_facts(options, failure))
        workers.leave()
    if failure is None:
        return 0
    if not interruption.asked:  # a SIGTERM from now on ends the process, and with it the wait
        time.sleep(LOST_ANOTHER_WAIT_S)
    return 1


def job_facts(options: Options, failure: str | None) -> JobFacts:
    """What the profiler's report shows of the job, and needs for its recommendations."""
    return JobFacts(
        name=job_name() or options.model_name,
        flags=options.to_json(),
        failure=failure,
        views=options.views if options.frozen else 1,
        hints=hints(options),
    )


def run_job(job: Job) -> None:
    """From the data set to the package and its figures."""
    options, folders = job.options, job.folders
    with job.profiler.phase("initialisation"):
        if job.workers.first and not options.features_only:
            travelling_wheels()  # if the package cannot be made, say so now and not after hours
        pretrained = load_pretrained(options.backbone, folders.given_weights(options.weights))
        data = open_data(folders)
        version = data.version if data else None  # what is wrong with it is said now, too
        data = shared_digests(data, job.workers) if data else None
    with job.profiler.phase("features"):
        features = find_features(job, pretrained, data)
    if options.features_only:
        job.say(f"{len(features.splits['train'].labels)} training photos, {features.views} views")
        if job.workers.first:
            write(folders.model / FILE, features)
            write_json(folders.model / DESCRIPTION, describe(features))
        return
    with job.profiler.phase("initialisation"):
        train = features.splits["train"]
        plain = train.views[0]
        widths = (plain.shape[-1], *HEADS[options.head], len(features.labels))
        torch.default_generator.manual_seed(options.seed)
        network = build_network(pretrained, widths, options.unfreeze, options.dropout)
        start = start_from_imagenet(network.head, pretrained, plain, train.labels)
        if start is not None:
            job.say(f"head: starts from ImageNet's classifier, right on {start:.1%} of train")
        source = open_source(options, pretrained, features, data)
    anchored = anchors(network, head_is_pretrained=start is not None)
    run = fit(job, network, anchored, source, identity(options, pretrained, features))
    if job.workers.first:
        with job.profiler.phase("finalisation"):
            score = dog_score(options.dog_score, options.frozen, pretrained, plain)
            finish(job, Trained(run, widths, score, version), pretrained, features, data)
    job.workers.agree(None)  # the others wait for the first: torchrun sees all of them end well


def open_data(folders: Folders) -> DataSet | None:
    """The channel `data`; None for a job that has only `features`, as a tuner's trials may."""
    if folders.data is None and folders.features:
        return None
    if folders.data is None:
        raise JobError(
            "no data: the job has no channel named data. Add one, or set SM_CHANNEL_DATA to a "
            "folder with train, valid and test folders of class folders"
        )
    data = DataSet.open(folders.data)
    for split in data.splits:
        if not data.splits[split]:
            raise JobError(f"{folders.data}: {split} holds no photo")
    return data


def find_features(job: Job, pretrained: Pretrained, data: DataSet | None) -> Features:
    """From the channel `features`, the local cache, or the photos."""
    options, folders = job.options, job.folders
    views = options.views if options.frozen else 1  # for a head's start, and to find broken photos
    if folders.features and not options.features_only:
        return from_channel(folders.features, pretrained, views, data)
    if data is None:
        raise JobError("features can only be made from photos: add a channel named data")
    precision = fastest_float() if options.precision == "auto" else options.precision
    return from_photos(
        pretrained, data, precision, views, folders.cache, job.workers, folders.features
    )


def open_source(
    options: Options, pretrained: Pretrained, features: Features, data: DataSet | None
) -> Source:
    """What the network is fed with: features when the backbone is frozen, else photos."""
    if options.frozen:
        return FeatureBatches(features, options.seed)
    if data is None:
        raise JobError(f"--unfreeze {options.unfreeze} needs photos: add a channel named data")
    return PhotoBatches(data, features, pretrained.entry.preprocess, options.views)


def identity(options: Options, pretrained: Pretrained, features: Features) -> dict[str, object]:
    """What two runs must have in common for one to go on from the other's checkpoint."""
    about_the_job = ("weights", "model-name", "dog-score", "debug", "stop-on", "profile")
    shared = {k: v for k, v in options.to_json().items() if k not in about_the_job}
    made_of = {"weights_sha256": pretrained.sha256, "features": features.key.digest}
    return {**shared, **made_of, "arithmetic": precision(options)}


def finish(
    job: Job, trained: Trained, pretrained: Pretrained, features: Features, data: DataSet | None
) -> None:
    """Export the best weights, load and calibrate them, and report what they answer."""
    options, folders = job.options, job.folders
    export(folders.model, trained, pretrained, features, options)
    manifest, figures = evaluate(folders.model, features, data, frozen=options.frozen)
    write_report(folders, manifest, trained.run, figures, features, data)
    for one in figures["test"].coverages(THRESHOLDS):
        job.say(f"test: {one.words()}")
    best, test = trained.best, figures["test"].answers
    job.say(
        final_lines(
            best.validation_loss, best.validation_accuracy, test.top(1).value, test.top(5).value
        )
    )
    checkpoint.discard(folders.checkpoints)


if __name__ == "__main__":
    sys.exit(main())

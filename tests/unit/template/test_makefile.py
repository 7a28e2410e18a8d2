"""What the Makefile hands to sam, without running it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.unit.template.cloudformation import ROOT, template


def dry_run(*arguments: str) -> str:
    """The commands that make would run."""
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_function_is_built_for_the_python_that_is_named_and_not_for_the_project_s(
    tmp_path: Path,
) -> None:
    newer = tmp_path / "python3.14"
    newer.write_text("#!/bin/sh\necho python3.14\n")
    newer.chmod(0o755)
    runtimes = template()["Parameters"]["FunctionRuntime"]["AllowedValues"]
    assert "python3.14" in runtimes
    commands = dry_run("build", f"FUNCTION_PYTHON={newer}")
    assert "--parameter-overrides FunctionRuntime=python3.14" in commands


def test_function_is_built_again_once_one_of_its_files_has_changed() -> None:
    built = {
        "template.yaml": "functions/classify/photo_reader/here.py",
        "page/template.yaml": "functions/api/requirements.txt",
        "operate/drift.yaml": "functions/drift/drift",  # a folder: a file of it is gone
        "backfill/template.yaml": "functions/lister/lister/settings.py",
    }
    stacks = {
        "template.yaml": ("build",),
        "page/template.yaml": ("page-stack", "EMAIL=rex@example.com"),
        "operate/drift.yaml": ("drift-watch",),
        "backfill/template.yaml": ("backfill-stack",),
    }
    for template_file, changed in built.items():
        assert (ROOT / changed).exists(), changed
        commands = dry_run(*stacks[template_file], f"--what-if={changed}")
        assert f"sam build --template-file {template_file} " in commands


def test_every_test_is_run_once_by_make_test() -> None:
    run: list[Path] = []
    for command in dry_run("test").splitlines():
        _, found, words = command.partition(" -m pytest ")
        if found:
            given = [word.partition("--ignore=") for word in words.split()]
            ignored = [ROOT / path for _, option, path in given if option]
            for path in (ROOT / word for word, option, _ in given if not option):
                files = [path] if path.is_file() else path.rglob("test_*.py")
                run += [file for file in files if not any(map(file.is_relative_to, ignored))]
    assert sorted(run) == sorted((ROOT / "tests").rglob("test_*.py"))


def test_every_stack_keeps_its_zip_in_a_folder_of_its_own() -> None:
    for arguments, name in (((), "breed-classifier"), (("STACK=other",), "other")):
        assert f"--stack-name '{name}' --resolve-s3 --s3-prefix '{name}' " in dry_run(
            "stack", *arguments
        )


def test_model_that_is_not_named_keeps_the_value_that_the_stack_has() -> None:
    assert "ModelDataUrl" not in dry_run("stack", "PARAMETERS=EndpointName=mine")
    assert "ModelDataUrl='s3://b/v2/model.tar.gz'" in dry_run(
        "stack", "MODEL_URL=s3://b/v2/model.tar.gz"
    )


def test_role_s_stack_may_make_a_role_and_reads_the_bucket_out_of_the_data_s_address() -> None:
    commands = dry_run("training-role", "DATA=s3://my-photos/breeds/v1")
    assert "--capabilities CAPABILITY_IAM" in commands
    assert "DataBucket='my-photos'" in commands
    assert "JobsBucket" not in commands
    assert "--parameter-overrides" not in dry_run("training-role")


def test_back_fill_hands_on_what_was_typed() -> None:
    commands = dry_run(
        "backfill",
        "FROM=s3://my-photos/a b/",
        "WINDOW=02:00-06:00 Europe/Berlin",
        "PACE=5",
        "YES=1",
    )
    assert "photos 's3://my-photos/a b/' --stack 'breed-classifier'" in commands
    assert "--window '02:00-06:00 Europe/Berlin'" in commands
    assert "--pace '5'" in commands
    assert "--yes" in commands
    assert "--stop" not in commands
    assert "--stop" in dry_run("reclassify", "STOP=1")


def test_what_the_first_stack_has_no_more_is_taken_from_those_beside_it() -> None:
    """Parameters that are not named keep their value: they are named, and empty."""
    page = dry_run("page-stack", "EMAIL=rex@example.com")
    assert r"BackfillBucket=\"$other\" DriftTable=\"$watch\"" in page
    assert r"AlarmKeyId=\"$key\"" in dry_run("drift-watch")


def test_stack_of_back_fills_keeps_its_zip_in_a_folder_of_its_own() -> None:
    commands = dry_run("backfill-stack", "STACK=dogs-backfill", "PARAMETERS=Bucket=b")
    assert "--stack-name 'dogs-backfill'" in commands
    assert "--s3-prefix 'dogs-backfill'" in commands
    assert commands.rstrip().endswith("Bucket=b")

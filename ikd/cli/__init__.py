"""The command line: `python -m ikd train`, runs, control, study, export, settings. Bad input gives one sentence and exit code 2."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from ikd.cli.carrying import add_carrying, carry_out
from ikd.cli.looking import look_at_data
from ikd.cli.scores import add_scores
from ikd.cli.steering import add_steering
from ikd.cli.studying import add_study
from ikd.config import PRESETS, RunConfig, Setting, Timeline, all_settings, build_config, config_from_json
from ikd.errors import ConfigError, IKDError, unknown_name

__all__ = ["main"]

SHORT = {"task": "task.name", "teacher": "teacher.name", "student": "student.name", "policy": "policy.name",
         "objective": "objective.name", "steps": "training.steps", "device": "machine.device"}  # fmt: skip
"""Short flags for the settings named most often."""

BAD_INPUT, INTERRUPTED = 2, 130

EXAMPLES = """\
examples:
  python -m ikd train                                   the built-in demo
  python -m ikd train --task pairs --policy fixed       ordinary distillation on a built-in task
  python -m ikd train --task files --task.train-file train.csv --task.text-column review --task.label-column stars
  python -m ikd train --config run.json --seed 3        a config file, one setting changed
  python -m ikd data --task files --task.train-file train.csv        what stands in the file, without training
  python -m ikd runs                                    every run and where it stands
  python -m ikd scores RUN                              its final scores, each with its interval
  python -m ikd pause RUN                               also: resume, step, stop [--at STEP], change RUN SETTING VALUE
  python -m ikd fork RUN 200 --set policy.teacher-freeze-at=200      what if the feedback had stopped there?
  python -m ikd export RUN out/                         the trace as Parquet
  python -m ikd study quick                             does the feedback help? methods x tasks x seeds, with verdicts
The pages (streamlit run app.py) show every run started here while it goes on."""


class Refusal(Exception):
    """A command line that cannot be understood; its text is the sentence to show."""


class Parser(argparse.ArgumentParser):
    """An argparse parser that refuses with one sentence instead of a usage block."""

    def error(self, message: str) -> NoReturn:
        """Raise the refusal as one sentence, with the nearest flags where a flag is unknown."""
        if message.startswith("unrecognized arguments: "):
            flag = message.removeprefix("unrecognized arguments: ").split()[0].partition("=")[0]
            message = unknown_name("argument", flag, [o for a in self._actions for o in a.option_strings])
        raise Refusal(f"{message.rstrip('.')}{'' if message.endswith('?') else '.'} See {self.prog} --help.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0 done, 1 a run that failed, 2 bad input, 130 interrupted."""
    try:
        chosen, unknown = _parser().parse_known_args(arguments)
        if unknown:
            chosen.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
        code = int(chosen.command(chosen))
        sys.stdout.flush()
        return code
    except (Refusal, IKDError) as fault:
        print(fault, file=sys.stderr)
        return BAD_INPUT
    except BrokenPipeError:  # whoever read the output has seen enough; what is left must not complain at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("Interrupted. What was recorded is kept: python -m ikd resume RUN goes on.", file=sys.stderr)
        return INTERRUPTED


def _parser() -> Parser:
    parser = Parser(
        prog="python -m ikd", description="Interactive Knowledge Distillation: a teacher that learns to teach from its "
        "student's feedback.", epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _train_parser(commands)
    data = commands.add_parser("data", help="look at a task's texts, labels and splits, without training")
    _add_settings(data, [one for one in all_settings() if one.group in ("task", "teacher", "student")])
    data.set_defaults(command=lambda chosen: look_at_data(_config(chosen)), parser=data)
    runs = commands.add_parser("runs", help="list the runs and where they stand")
    runs.set_defaults(command=_runs, parser=runs)
    add_scores(commands)
    add_steering(commands)
    add_study(commands)
    export = commands.add_parser("export", help="write the trace of a run as Parquet files")
    export.add_argument("run", help="id of a run, see `runs`")
    export.add_argument("folder", type=Path, help="folder for the files")
    export.set_defaults(command=_export, parser=export)
    settings = commands.add_parser("settings", help="list every setting with its meaning and allowed values")
    settings.set_defaults(command=_settings, parser=settings)
    return parser


def _train_parser(commands: Any) -> None:
    train = commands.add_parser(
        "train", help="teach a student; watch it in the pages",
        description="Every setting is a flag of the same name, for example --policy.exam-every 4. "
        f"Short: {', '.join(f'--{short} = --{path}' for short, path in SHORT.items())}.",
    )  # fmt: skip
    add_carrying(train)
    _add_settings(train, all_settings())
    train.set_defaults(command=_train, parser=train)


def _add_settings(parser: argparse.ArgumentParser, settings: Sequence[Setting]) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="a config as JSON, as every run folder has one")
    parser.add_argument("--preset", choices=sorted(PRESETS), help="start from a named preset")
    paths = {one.path for one in settings}
    for short, path in SHORT.items():
        if path in paths:
            parser.add_argument(f"--{short}", dest=path, metavar="NAME", help=f"same as --{path}")
    for one in settings:
        what = "|".join(one.choices) if one.choices else one.kind.upper()
        flag = f"--{one.path.replace('_', '-')}"
        default = "empty" if one.default in (None, "") else one.default
        bare: dict[str, Any] = {"nargs": "?", "const": "true"} if one.kind == "bool" else {}
        parser.add_argument(flag, dest=one.path, metavar=what, help=f"{one.meaning} (default: {default})".replace("%", "%%"), **bare)


def _train(chosen: argparse.Namespace) -> int:
    config = _config(chosen)
    Timeline(config)  # refuses a plan that cannot be carried out
    from ikd.trace.store import new_run

    folder = new_run(config)
    print(f"Run {folder.id} in {folder.path}")
    return carry_out(folder.id, chosen)


def _config(chosen: argparse.Namespace) -> RunConfig:
    base = RunConfig()
    if chosen.config is not None:
        try:
            base = config_from_json(chosen.config.read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as fault:
            reason = getattr(fault, "strerror", None) or "it is not text"
            raise ConfigError(f"The config {str(chosen.config)!r} cannot be read ({reason}): give the path of a JSON file.") from None
    values: dict[str, Any] = dict(PRESETS[chosen.preset].values) if chosen.preset else {}
    for one in all_settings():
        given = getattr(chosen, one.path, None)
        if given is not None:
            empty = one.optional and given.lower() in ("", "none", "empty")
            values[one.path] = None if empty else given
    return build_config(values, base)


def _runs(chosen: argparse.Namespace) -> int:
    from ikd.runs import queued_runs
    from ikd.trace.notes import read_notes
    from ikd.trace.state import WAITING
    from ikd.trace.store import list_runs

    waiting = [folder.id for folder in queued_runs()]
    for folder in list_runs():
        state, notes = folder.state(), read_notes(folder.path)
        known = [(split, state.scores.get(f"student/{split}/accuracy")) for split in ("test", "validation")]
        accuracy = next((f"  student's {split} accuracy {value:.3f}" for split, value in known if value is not None), "")
        place = f"  position {waiting.index(folder.id) + 1} in the queue" if folder.id in waiting else ""
        place = f"  {WAITING}" if state.live and state.stage == WAITING else place
        named = f"  “{notes.label}”" if notes.label else ""
        fork = f"  forked from {notes.parent} at step {notes.parent_step}" if notes.parent else ""
        error = f"  {state.error}" if state.error else ""
        print(f"{folder.id}  {state.state:<11} {state.step}/{state.total}{place}{named}{accuracy}{fork}{error}")
    return 0


def _export(chosen: argparse.Namespace) -> int:
    from ikd.trace.export import export_parquet
    from ikd.trace.store import open_run

    for path in export_parquet(open_run(chosen.run), chosen.folder):
        print(path)
    return 0


def _settings(chosen: argparse.Namespace) -> int:
    width = min(100, os.get_terminal_size().columns) if sys.stdout.isatty() else 100
    for one in all_settings():
        default = "empty" if one.default in (None, "") else one.default
        print(f"{one.path} = {default}  ({one.allowed()})")
        print(textwrap.indent("\n".join(textwrap.wrap(one.meaning, width - 4)), "    "))
    return 0

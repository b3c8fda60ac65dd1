"""The command `dogbreeds study`."""

import argparse

from dogbreeds.cli.options import add_profile_options, study_of
from dogbreeds.errors import StudyError
from dogbreeds.paths import from_here

SUMMARY = "Runs the complete study (training, notebooks, slides, report), and prints the result table and output files."


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("study", help=SUMMARY, description=SUMMARY)
    parser.set_defaults(function=study)
    add_profile_options(parser)
    parallel = "trainings, and then notebooks, at the same time (default: what the processors or the GPU allow)"
    parser.add_argument("--parallel", type=int, metavar="N", help=parallel)
    plan = "say what would be trained and downloaded, the hours on a GPU and the disk space, and start nothing"
    parser.add_argument("--plan", action="store_true", help=plan)
    parser.add_argument("--language", default="fr", help="language of the slides: fr or en (default: fr)")


def study(arguments: argparse.Namespace) -> None:
    from dogbreeds.analysis import tables
    from dogbreeds.presentation import report, slides
    from dogbreeds.presentation.deck import check_language
    from dogbreeds.study import dry_run, notebooks

    if arguments.parallel is not None and arguments.parallel < 1:
        raise StudyError(f"--parallel {arguments.parallel} must be 1 or more")
    check_language(arguments.language)  # before anything is trained
    study, parameters = study_of(arguments)
    if arguments.plan:
        print(f"profile: {study.profile}", *dry_run.describe(study), sep="\n")
        return
    written = notebooks.run_study(study, parameters, arguments.parallel or 0)
    if study.is_full_comparison:
        written += slides.render(study, parameters, arguments.language)
    written.insert(0, report.write(study, written))
    table = tables.result_table(study.runs())
    print(f"\n{tables.format_table(table)}")
    if study.provenance:
        print(f"\n{study.provenance}")
    print("\nopen:")
    for path in written:
        print(f"  {from_here(path)}")

"""The answer of each notebook in sentences, computed from the runs: the answer first, then what else was learned.

Each function returns four sentences. Without finished runs, it returns one that says what to do.
"""

from collections.abc import Callable
from functools import wraps

import numpy as np

from dogbreeds import models
from dogbreeds.analysis import error_analysis, failure_2020, intervals, metrics, tables
from dogbreeds.data import shortcuts
from dogbreeds.models import complexity
from dogbreeds.study import Study, variants
from dogbreeds.training.recipe import Recipe
from dogbreeds.training.runs import Run


def _of_finished_runs(answer: Callable[[Study], list[str]]) -> Callable[[Study], list[str]]:
    @wraps(answer)
    def answer_or_advice(study: Study) -> list[str]:
        return answer(study) if study.is_finished() else ["not known before the study has run: run dogbreeds study"]

    return answer_or_advice


def data(study: Study) -> list[str]:
    """Notebook 01: what the networks see, and whether they could do without seeing a dog."""
    dataset = study.dataset
    correct = shortcuts.colour_only_correct(dataset, study.pixels)
    most = dataset.photos[dataset.photos["split"] == "test"]["breed"].value_counts(normalize=True).max()
    counts = ", ".join(
        f"{len(dataset.rows(split))} for {purpose}"
        for split, purpose in (("train", "training"), ("validation", "validation"), ("test", "testing"))
    )
    low, chance = intervals.accuracy_interval(int(correct.sum()), len(correct))[0], 1 / len(dataset.breeds)
    return [
        f"colour alone {'is' if low > chance else 'is not shown to be'} better than the chance level of {chance:.1%}: "
        f"a classifier that sees only colour histograms has a test accuracy of {intervals.format_accuracy(correct)}.",
        f"There are {len(dataset.photos)} {dataset.kind} of {len(dataset.breeds)} breeds: {counts}.",
        f"{len(dataset.left_out)} files were left out.",
        f"Always naming the most frequent breed of the test split would have an accuracy of {most:.1%}.",
    ]


@_of_finished_runs
def baseline(study: Study) -> list[str]:
    """Notebook 02: the accuracy of the baseline, what frozen layers change, and why ResNet50 failed in 2020."""
    recipes, weights = variants.of_the_baseline(Recipe.of(study.recipe)), study.weights[-1]
    runs = study.variants(*variants.BASELINE, weights, recipes)
    controlled, frozen, deck = runs["controlled"], runs["block 1 frozen"], runs["deck_2020"]
    trainings = failure_2020.read(study.failure_files())
    return [
        f"the test accuracy of Xception in Keras is {intervals.format_accuracy(controlled.correct())} with the "
        f"controlled recipe. {failure_2020.counted(trainings)}",
        f"Freezing block 1 changes it by {_difference(frozen, controlled)}.",
        f"The preset deck_2020 changes it by {_difference(deck, controlled)}, scored with the weights of epoch "
        f"{deck.record['best_epoch']} of {deck.record['epochs']}.",
        failure_2020.repaired(failure_2020.results(trainings)),
    ]


@_of_finished_runs
def squeeze_excitation(study: Study) -> list[str]:
    """Notebook 03: what squeeze-and-excitation adds to ResNet50, and what it costs."""
    squeezed, plain = (_runs_of(study, "architecture", name) for name in ("se_resnet50", "resnet50"))
    count = {name: models.count_parameters(models.build(name, "pytorch", 1000)) for name in ("resnet50", "se_resnet50")}
    sums = {name: complexity.multiply_adds(name, 224) for name in count}
    gap = tables.gap(squeezed, plain)
    compared = "more accurate than" if gap["low"] > 0 else "less accurate than" if gap["high"] < 0 else None
    return [
        f"SE-ResNet50 is {compared or 'not shown to differ in accuracy from'} ResNet50 here: its test accuracy minus "
        f"that of ResNet50 is {_gap(squeezed, plain)}; its modules add "
        f"{count['se_resnet50'] / count['resnet50'] - 1:.1%} parameters.",
        "The share of parameters is for 1000 classes, as in ImageNet.",
        f"The modules add {sums['se_resnet50'] / sums['resnet50'] - 1:.2%} multiply-adds in convolutions and fully "
        "connected layers, at 224 x 224 pixels.",
        f"The comparison averages {len(squeezed)} pairs of runs, seeds: {len(study.seeds)}.",
    ]


@_of_finished_runs
def frameworks(study: Study) -> list[str]:
    """Notebook 04: whether the framework changes the accuracy."""
    keras, pytorch = (_runs_of(study, "framework", name) for name in models.FRAMEWORKS)
    found = intervals.equivalence(tables.by_seed(keras), tables.by_seed(pytorch))
    low, high = (f"{100 * found[end]:+.1f}" for end in ("low", "high"))
    margin = f"{100 * intervals.MARGIN:.0f} points"
    about = "" if len(study.seeds) > 1 else ", for these trained networks (one seed)"
    fields = ("architecture", "seed", "fingerprint", "recipe", "initialisation", "parameters")
    keys = [[tuple(str(run.record[field]) for field in fields) for run in runs] for runs in (keras, pytorch)]
    same = len(set(keys[0]) & set(keys[1]))
    return [
        f"the test accuracy in Keras minus that in PyTorch is {_gap(keras, pytorch)}; they are "
        f"{f'equal within {margin}' if found['p'] < 0.05 else f'not shown to be equal within {margin}'}{about}.",
        f"The 90 % interval of the difference is {low} to {high} points; within {margin} it would show equality (two "
        "one-sided tests).",
        f"The comparison averages {len(keras)} pairs of runs, seeds: {len(study.seeds)}.",
        f"Pairs with the same images, recipe, initial weights and number of parameters: {same} of {len(keras)}.",
    ]


@_of_finished_runs
def architectures(study: Study) -> list[str]:
    """Notebook 05: which network is best, and what became of the claims of 2020."""
    runs = study.runs()
    table = tables.result_table(runs)
    best = table.loc[table["test accuracy"].idxmax()]
    pairs = {choice: tables.comparisons(runs, choice) for choice in tables.CHOICES}
    networks = pairs["network"].sort_values("difference", key=abs).iloc[-1]
    verdicts = study.claims()["verdict"].value_counts()
    differ = [
        f"{(each['p (Holm)'] < 0.05).sum()} of {len(each)} by {choice}" for choice, each in pairs.items() if len(each)
    ]
    return [
        f"the highest test accuracy is that of {best['network']} in {best['framework']} with the initial weights "
        f"{best['initial weights']}, "
        f"{intervals.format_interval(best['test accuracy'], best['low'], best['high'], '.1%')}; pairs with a "
        f"significant difference: {', '.join(differ)}.",
        "Significant means a p-value below 0.05 after Holm's correction; the highest accuracy is chosen on the test "
        "images themselves.",
        f"The largest difference between networks is {networks['first']} minus {networks['second']}, "
        f"{intervals.format_difference(networks['difference'], networks['low'], networks['high'])}.",
        f"The claims of 2020: {', '.join(f'{count} {verdict}' for verdict, count in verdicts.items())}.",
    ]


@_of_finished_runs
def errors(study: Study) -> list[str]:
    """Notebook 06: what the best network gets wrong, and whether it knows."""
    runs = study.runs()
    best = max(runs, key=lambda run: run.correct("validation").mean())
    wrong, pairs = ~best.correct(), error_analysis.confused_pairs(best).head(1)
    often = [f", most often {pair.true} as {pair.predicted} ({pair.photos})" for pair in pairs.itertuples()]
    confidence = metrics.confidence(best.logits())
    peers = [run for run in runs if (run.initial_weights, run.record["seed"]) == _start(best)]
    missed = int(np.all([~run.correct() for run in peers], axis=0).sum())
    auroc = metrics.auroc(confidence[~wrong], confidence[wrong])
    separated = (
        f" Its confidence separates correct from incorrect predictions with an AUROC of {auroc:.2f} (chance 0.50, "
        "perfect 1.00)."
    )
    return [
        f"{best.title}, the best run in validation, misclassifies {wrong.sum()} of {len(wrong)} test images"
        f"{''.join(often)}.{separated if 0 < wrong.sum() < len(wrong) else ''}",
        f"Its error rate is {wrong.mean():.1%}; that of a random choice between the breeds is "
        f"{1 - 1 / len(study.dataset.breeds):.1%}.",
        f"{missed} images are misclassified by all {len(peers)} networks with the same initial weights and seed."
        if len(peers) > 1
        else "With a single network, the study cannot tell which images every network finds hard.",
        f"The calibration error of the best run is "
        f"{metrics.quality(best.logits(), best.labels())['calibration error']:.3f}; a perfectly calibrated network "
        f"would average {metrics.calibration_error_by_chance(best.logits()):.3f} on this many images.",
    ]


def _runs_of(study: Study, choice: str, name: str) -> list[Run]:
    return [run for run in study.runs() if run.record[choice] == name]


def _start(run: Run) -> tuple[str, int]:
    return run.initial_weights, run.record["seed"]


def _gap(first: list[Run], second: list[Run]) -> str:
    gap = tables.gap(first, second)
    return intervals.format_difference(gap["difference"], gap["low"], gap["high"])


def _difference(run: Run, other: Run) -> str:
    return intervals.format_difference(*intervals.paired_difference(run.correct(), other.correct()))

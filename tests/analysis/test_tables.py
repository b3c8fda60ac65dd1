import numpy as np
import pandas as pd
import pytest
from finished_runs import finished_run, logits_and_labels
from scipy import stats

from dogbreeds.analysis import intervals, tables


@pytest.fixture
def make(tmp_path):
    def make(correct, architecture="resnet50", **record):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        return finished_run(folder, *logits_and_labels(correct), architecture=architecture, **record)

    return make


def test_result_table_averages_over_seeds(make):
    runs = [make(80, seed=1, seconds=4.0), make(70, seed=0), make(90, "xception", weights="other-breeds")]
    table = tables.result_table(runs).set_index(["network", "framework", "initial weights"])
    pooled, single = table.loc[("ResNet50", "Keras", "scratch")], table.loc[("Xception", "Keras", "other-breeds")]
    assert (pooled["test accuracy"], pooled["seconds"], pooled["seeds"]) == (0.75, 3, 2)
    assert pooled["sd"] == pytest.approx(0.1 / 2**0.5)
    assert (single["low"], single["high"]) == intervals.accuracy_interval(90, 100)
    # The predicted breed has probability e / (e + 4), the others 1 / (e + 4) each.
    assert single["NLL"] == pytest.approx(np.log(np.e + 4) - 0.9)
    assert "ResNet50     Keras         scratch         75.0%" in tables.format_table(tables.result_table(runs))


def test_two_runs_with_the_same_seed_are_refused(make):
    with pytest.raises(ValueError, match="ResNet50, Keras, scratch: several runs with the same seed"):
        tables.by_choice([make(80), make(70)])


def test_comparisons_have_difference_interval_and_corrected_p_value(make):
    runs = [make(50, "xception"), make(40), make(40, "se_resnet50"), make(40, framework="pytorch")]
    pairs = tables.comparisons(runs, "network").set_index(["first", "second"])
    assert len(pairs) == 3
    row = pairs.loc[("Xception", "ResNet50")]
    assert row["difference"] == pytest.approx(0.1)
    assert 0 < row["low"] < 0.1 < row["high"] < 0.2
    assert row["p"] == pytest.approx(stats.chi2.sf(10, 1))  # (10 - 0)**2 / 10
    assert row["p (Holm)"] == pytest.approx(4 * row["p"])  # three differences and one equality
    assert row["detectable"] == intervals.detectable_difference(100, 0.1)
    assert pairs.loc[("ResNet50", "SE-ResNet50"), "p"] == 1
    equal = pairs.loc[("ResNet50", "SE-ResNet50"), "p equal"]
    assert equal == pytest.approx(
        stats.norm.sf(np.sqrt(100 * 0.02 / 0.98))
    )  # no photo of 100 is classified differently
    assert pairs["p equal"].notna().sum() == 1
    between = tables.comparisons(runs, "framework")
    assert between[["network", "initial weights", "first", "second"]].to_numpy().tolist() == [
        ["ResNet50", "scratch", "Keras", "PyTorch"]
    ]
    assert tables.comparisons(runs, "initial weights").empty


def test_comparisons_pair_seeds_in_any_order(make):
    runs = [make(correct, seed=seed) for correct, seed in ((60, 1), (50, 0), (65, 2))]
    runs += [make(correct, "xception", seed=seed) for correct, seed in ((70, 0), (85, 2), (80, 1))]
    row = tables.comparisons(runs, "network").iloc[0]
    assert row["difference"] == pytest.approx(-0.2)
    # The difference is the same for all seeds, so only the photos contribute to the interval.
    assert row["high"] < 0


def test_gap_equals_the_row_of_comparisons(make):
    """The claims and the tables of pairs use the same comparison."""
    first, second = make(80), make(70, "xception")
    row = tables.comparisons([first, second], "network").iloc[0]
    assert tables.gap([first], [second]) == {name: row[name] for name in ("difference", "low", "high", "p")}


def test_runs_with_different_seeds_are_refused(make):
    two, one = [make(80, seed=0), make(70, seed=1)], [make(60, "xception", seed=0)]
    with pytest.raises(ValueError, match=r"seeds \[0, 1\] cannot be compared with runs with seeds \[0\]"):
        tables.gap(two, one)
    with pytest.raises(ValueError, match="cannot be compared"):
        tables.comparisons([*two, *one], "network")


def test_factors_are_compared_with_the_unchanged_recipe_of_the_same_network_framework_and_weights(make):
    """Each pair shares its photos and seeds; runs from other weights and of other networks do not count."""
    unchanged = {("resnet50", "keras"): (50, 60, 70), ("resnet50", "pytorch"): (40, 50, 60)}
    kinds = {"architecture": "resnet50", "weights": "imagenet"}
    runs = [
        make(correct, seed=seed, framework=framework, **kinds)
        for (_, framework), accuracies in unchanged.items()
        for seed, correct in enumerate(accuracies)
    ]
    runs += [make(5, seed=seed, framework=each) for seed in range(3) for each in ("keras", "pytorch")]
    changed = {
        name: [
            make(run_correct(run) + gain[run.record["framework"]], validation_accuracy=(0.5, 0.6), **same(run))
            for run in reversed(runs[:6])
        ]
        for name, gain in {"frozen": {"keras": 20, "pytorch": 0}, "large": {"keras": -10, "pytorch": 5}}.items()
    }
    table = tables.factor_table(runs, changed)
    assert len(table) == 4
    assert set(table["initial weights"]) == {"imagenet"}
    rows = table.set_index(["factor", "framework"])
    frozen, large = {"Keras": 0.2, "PyTorch": 0}, {"Keras": -0.1, "PyTorch": 0.05}
    assert rows.loc["frozen", "difference"].to_dict() == pytest.approx(frozen)
    assert rows.loc["large", "difference"].to_dict() == pytest.approx(large)
    assert rows.loc[("frozen", "Keras"), "low"] > 0 > rows.loc[("large", "Keras"), "high"]
    assert rows.loc[("frozen", "PyTorch"), ["low", "high", "p"]].to_list() == [0, 0, 1]
    smallest = rows["p"].idxmin()
    assert rows.loc[smallest, "p (Holm)"] == pytest.approx(4 * rows.loc[smallest, "p"])
    costs = rows[["epochs", "epochs, unchanged", "seconds", "seconds, unchanged"]].drop_duplicates()
    assert costs.to_numpy().tolist() == [[2, 1, 4, 2]]


def run_correct(run):
    return int(run.correct().sum())


def same(run):
    """The network, framework, initial weights and seed of a run."""
    names = ("architecture", "framework", "seed")
    return {name: run.record[name] for name in names} | {"weights": run.initial_weights}


def test_a_factor_without_the_runs_of_a_seed_is_refused(make):
    with pytest.raises(ValueError, match="cannot be compared"):
        tables.factor_table([make(80, seed=0), make(70, seed=1)], {"frozen": [make(60, seed=0)]})


def test_factors_are_readable_in_points_with_their_costs(make):
    table = tables.factor_table([make(70)], {"frozen": [make(80, seconds=4.44)]})
    row = tables.readable_factors(table).iloc[0]
    assert row["points [95 % interval]"] == "+10.0 [+5.5, +17.4]"
    assert row["p (Holm)"] == "0.0016"
    assert row[["seconds", "seconds, unchanged"]].to_list() == [4.4, 2]


def test_without_factors_the_table_has_columns_and_no_rows(make):
    table = tables.factor_table([make(70)], {})
    assert table.empty
    assert tables.readable_factors(table).empty
    assert {"factor", "network", "difference", "p (Holm)"} < set(table)


def test_learning_speed_is_measured_to_an_accuracy_that_all_runs_reach(make):
    runs = [make(80, validation_accuracy=(0.3, 0.6, 0.7)), make(80, "xception", validation_accuracy=(0.6, 0.5))]
    speed = tables.learning_speed(runs).set_index("network")
    assert speed["to"].tolist() == [0.6, 0.6]
    assert speed["epochs"].to_dict() == {"ResNet50": 2, "Xception": 1}


def test_results_are_readable_with_one_column_per_kind_of_initial_weights(make):
    runs = [make(80), make(70, "xception"), make(90, weights="other-breeds")]
    table = tables.readable_results(tables.result_table(runs))
    assert table.columns.to_list() == ["network", "framework", "scratch", "other-breeds"]
    assert table["scratch"].to_list() == ["80.0 [71.1, 86.7]", "70.0 [60.4, 78.1]"]
    assert table["other-breeds"][0] == "90.0 [82.6, 94.5]"
    assert table["other-breeds"].isna().to_list() == [False, True]


def test_comparisons_are_readable_in_points(make):
    row = tables.readable_comparisons(tables.comparisons([make(80), make(70, "xception")], "network")).iloc[0]
    assert row["pair"] == "ResNet50 - Xception"
    assert row["points [95 % interval]"] == "+10.0 [+5.5, +17.4]"
    assert row["p (Holm)"] == "0.0016"


def test_costs_are_readable_in_whole_numbers_and_millions(make):
    table = tables.readable_costs(tables.result_table([make(80, parameters=20_817_197, seconds=4.6)]))
    assert table[["seconds", "memory MB", "million parameters"]].to_numpy().tolist() == [[5, 1000, 20.8]]


def test_claims_are_readable_with_two_digits_or_without_p_value():
    table = tables.readable_claims(pd.DataFrame({"claim": ["a", "b"], "p (Holm)": [0.0123456, float("nan")]}))
    assert table["p (Holm)"].to_list() == ["0.012", ""]


def test_readable_numbers_are_french_on_french_slides(make, french):
    assert tables.readable_results(tables.result_table([make(80)]))["scratch"][0] == "80,0 [71,1, 86,7]"
    comparison = tables.readable_comparisons(tables.comparisons([make(80), make(70, "xception")], "network"))
    assert comparison["p (Holm)"][0] == "0,0016"


def test_variants_are_readable_with_the_first_as_reference(make):
    record = {"best_epoch": 1, "recipe": {"batch_size": 10}}
    runs = {"controlled": make(80, **record), "deck_2020": make(70, "xception", **record)}
    for run in runs.values():
        run.history["photos_per_second"] = 100.0
    table = tables.readable_variants(tables.variant_table(runs))
    assert table["test accuracy"].to_list() == ["80.0 [71.1, 86.7]", "70.0 [60.4, 78.1]"]
    assert table["ahead"].to_list() == ["+0.0 [+0.0, +0.0]", "-10.0 [-17.4, -5.5]"]
    assert table["best epoch"].to_list() == ["1", "1"]
    assert table["variant"].to_list() == ["controlled", "deck_2020"]
    assert table.index.names == [None]  # the variant is a column, so that no second one is shown


def test_variant_table_has_the_validation_accuracy_of_the_scored_and_of_the_last_epoch(make):
    """The scored epoch has the lowest validation loss; its accuracy may be far below that of the last."""
    run = make(40, best_epoch=1, recipe={"batch_size": 10}, validation_accuracy=(0.25, 0.5, 0.75))
    run.history["photos_per_second"] = 100.0
    row = tables.variant_table({"deck_2020": run}).loc["deck_2020"]
    names = ["best epoch", "validation, best epoch", "validation, last epoch"]
    assert row[names].to_list() == [1, 0.25, 0.75]

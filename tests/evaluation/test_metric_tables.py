import io

import rich.console

from keras_reid.evaluation import evaluate, evaluate_single_shot, print_table
from keras_reid.evaluation.metric_tables import print_open_set_table, print_recall_table, print_roc_table
from tests.evaluation.test_retrieval_metrics import golden_features


def printed(results):
    console = rich.console.Console(file=io.StringIO(), width=100)
    print_table(results, console)
    return console.file.getvalue()


def test_percent_with_two_decimals_and_skipped_queries():
    result = evaluate(*golden_features())
    text = printed({"golden": result, "again": result.to_dict()})
    for name in ("golden", "again"):
        line = next(line for line in text.splitlines() if name in line)
        cells = [cell.strip() for cell in line.strip("│").split("│")]
        assert cells == [name, "0.00", "60.00", "100.00", "21.61", "17.38", "5 of 6"]
    assert "Queries without a match in the gallery are left out." in text


def test_recall():
    console = rich.console.Console(file=io.StringIO(), width=100)
    print_recall_table({"birds": {"recall@1": 0.6946, "recall@1000": 1.0, "mAP": 0.5}}, (1, 1000), console)
    text = console.file.getvalue()
    assert "Recall@1000" in text
    line = next(line for line in text.splitlines() if "birds" in line)
    assert [cell.strip() for cell in line.strip("│").split("│")] == ["birds", "69.46", "100.00"]


def test_no_remark_where_every_query_counts():
    text = printed({"all": {**evaluate(*golden_features()).to_dict(), "num_queries": 5}})
    assert "left out" not in text
    assert "5 of" not in text


def test_says_how_many_draws_it_is_the_mean_of():
    text = printed({"golden": evaluate_single_shot(*golden_features(), repetitions=4)})
    assert "Mean of 4 draws of the gallery." in text


def test_verification():
    console = rich.console.Console(file=io.StringIO(), width=120)
    print_roc_table({"golden": evaluate(*golden_features(), roc=True).to_dict()}, console)
    text = console.file.getvalue()
    assert all(title in text for title in ("TPR@FPR=1e-04", "TPR@FPR=1e-02", "AUC", "EER"))
    assert "37.97" in text


def test_open_set():
    console = rich.console.Console(file=io.StringIO(), width=120)
    rates = {"dir_at_far": {"0.01": 0.25, "0.1": 0.5}, "ttr_at_ftr": {"0.01": 0.3, "0.1": 0.75}}
    print_open_set_table({"halved": {"open_set": {**rates, "num_targets": 8, "num_others": 12}}}, console)
    text = console.file.getvalue()
    assert all(title in text for title in ("DIR@FAR=0.01", "TTR@FTR=0.1", "Not in it"))
    line = next(line for line in text.splitlines() if "halved" in line)
    cells = [cell.strip() for cell in line.strip("│").split("│")]
    assert cells == ["halved", "25.00", "50.00", "30.00", "75.00", "8", "12"]

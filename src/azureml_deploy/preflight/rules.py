"""The codes: each rule with what it looks for, why, and an example."""

from __future__ import annotations

from collections.abc import Iterable

from azureml_deploy.errors import UsageError
from azureml_deploy.plan import Finding
from azureml_deploy.preflight import automl, code, data
from azureml_deploy.preflight.rule import Rule, Situation
from local_automl.settings import did_you_mean

RULES: tuple[Rule, ...] = (
    Rule(
        "AML101",
        "memory-dataset-crosses",
        "error",
        "A dataset without a file that one step makes and another reads.",
        "Steps run in processes of their own, often on different machines. What is only in memory "
        "ends with its step, and the next one finds nothing to load.",
        "features:\n  type: MemoryDataset\n\nbecomes\n\nfeatures:\n  type: pandas.ParquetDataset\n"
        "  filepath: data/04_feature/features.parquet\n\nor, in azureml.yml, "
        "persist_memory_datasets: parquet",
        data.memory_crosses,
    ),
    Rule(
        "AML102",
        "unreachable-dataset",
        "error",
        "A dataset whose type or path cannot exist on the cluster.",
        "An absolute path, localhost or a SQLite file is this machine's, and a Spark or Databricks "
        "dataset needs a runtime that AmlCompute has not; on the compute the step "
        "fails when it loads it, or writes a file that nobody will see.",
        "filepath: /home/me/sales.csv\n\nbecomes\n\nfilepath: data/01_raw/sales.csv\n\n"
        "and an entry under datasets: in azureml.yml",
        data.unreachable,
    ),
    Rule(
        "AML103",
        "unregistered-file",
        "error",
        "A local file that no step makes and that azureml.yml does not register.",
        "Data never travels with the code, so the cluster does not have the file.",
        "datasets:\n  companies:\n    name: companies\n    paths: [data/01_raw/companies.csv]",
        data.unregistered,
    ),
    Rule(
        "AML104",
        "missing-input",
        "error",
        "An input that no selected node makes and the catalog does not have.",
        "The node could not run here either; on the cluster it costs a start of the compute first.",
        "kedro azureml plan --from-nodes evaluate\n\nneeds the datasets that evaluate reads to be "
        "in the catalog",
        data.missing_input,
    ),
    Rule(
        "AML105",
        "result-in-memory",
        "warning",
        "A final result of the pipeline that no file holds.",
        "kedro run returns it; a step on the cluster drops it when it ends.",
        "report:\n  type: json.JSONDataset\n  filepath: data/08_reporting/report.json",
        data.lost_result,
    ),
    Rule(
        "AML201",
        "unbound-role",
        "error",
        "A role of AutoML or the registry that is not bound to a dataset of its node.",
        "Which dataset is trained on, and which is the model, is never guessed from names.",
        "roles:\n  training_data: train\n  model: best_model\n  automl_settings: params:automl",
        automl.unbound_role,
    ),
    Rule(
        "AML202",
        "automl-data-not-tabular",
        "error",
        "Training or validation data that is no table to Azure ML.",
        "AutoMLStep takes a PipelineOutputTabularDataset, made by parse_parquet_files or "
        "parse_delimited_files; it refuses pickles and anything else.",
        "train:\n  type: pickle.PickleDataset\n\nbecomes\n\ntrain:\n  type: pandas.ParquetDataset",
        automl.not_tabular,
    ),
    Rule(
        "AML203",
        "column-missing",
        "error",
        "A label_column_name (or time_column_name) that the data's local file does not have.",
        "AutoML finds out only when the compute is up and preparation is done.",
        "automl:\n  label_column_name: survived\n\nwhere the column is called Survived",
        automl.column_missing,
    ),
    Rule(
        "AML204",
        "automl-settings",
        "error",
        "AutoML settings that AutoMLConfig refuses, such as a metric of another task.",
        "The same settings are checked here by the same model that trains on this machine.",
        "task: regression\nprimary_metric: AUC_weighted\n\nbecomes\n\ntask: regression\n"
        "primary_metric: r2_score",
        automl.wrong_settings,
    ),
    Rule(
        "AML205",
        "model-without-runtime",
        "error",
        "A step that loads AutoML's model in an environment without AutoML's runtime.",
        "Azure's models are pickles of classes in azureml-train-automl-runtime, which pins Python "
        "3.10's pandas 1.5.3, numpy 1.23.5 and scikit-learn 1.5.2.",
        "environments:\n  automl-runtime:\n    python_version: '3.10'\n"
        "    pip_packages: [azureml-train-automl-runtime==1.62.0, kedro]\n"
        "steps:\n  - nodes: evaluate\n    environment: automl-runtime",
        automl.model_without_runtime,
    ),
    Rule(
        "AML206",
        "automl-environment",
        "warning",
        "An environment that azureml.yml gives to the nodes of a tag, and so to an AutoML node.",
        "The SDK adds pins of its own to an AutoMLStep's environment, such as pandas 1.3.5 on this "
        "machine's Python, which cannot be built. So the step gets none, and the service takes "
        "its own environment for AutoML.",
        "steps:\n  - tag: azureml.automl\n    compute_target: automl-cluster",
        automl.unused_environment,
    ),
    Rule(
        "AML301",
        "function-not-importable",
        "error",
        "A node whose function is a lambda, or is defined in __main__ or a notebook.",
        "The step imports its functions by name. A lambda can at least be made again from the "
        "project's own pipelines (a warning); what a notebook holds cannot be had at all.",
        "node(lambda rows: rows.dropna(), …)\n\nbecomes\n\ndef drop_missing(rows): …\n"
        "node(drop_missing, …)",
        code.not_importable,
    ),
    Rule(
        "AML302",
        "whole-tree-travels",
        "warning",
        "A step that gets all of the source, since a function of its nodes has no import path.",
        "Its snapshot changes with every edit anywhere, so the step is never reused.",
        "node(partial(scale, factor=2), …)\n\nbecomes\n\nnode(scale, ['rows', 'params:factor'], …)",
        code.whole_tree,
    ),
    Rule(
        "AML303",
        "snapshot-too-large",
        "error",
        "A snapshot over 300 MB or 2000 files.",
        "The SDK refuses to upload it.",
        "src/pkg/data/embeddings.bin belongs into the catalog, as a registered dataset",
        code.too_large,
    ),
    Rule(
        "AML304",
        "credentials-travel",
        "error",
        "Credentials in a snapshot, or a dataset that needs credentials, which are not uploaded.",
        "Whoever reads the workspace reads its snapshots.",
        "sales:\n  type: pandas.SQLTableDataset\n  credentials: warehouse\n\n"
        "is read through a registered Dataset, whose datastore holds the credentials",
        code.credentials_travel,
    ),
    Rule(
        "AML401",
        "package-missing",
        "error",
        "A package that the step's code imports, also inside functions, and its environment lacks.",
        "The step would fail on the compute, after its image was built. Packages that others bring "
        "are counted where they are installed here; a base image's are not known (a warning).",
        "environments:\n  kedro:\n    pip_packages: [kedro, scikit-learn]",
        code.missing_package,
    ),
    Rule(
        "AML402",
        "gpu-on-cpu-size",
        "error",
        "Deep learning settings, or a GPU image, on a size without GPU.",
        "Training fails, or takes days on the CPU.",
        "compute_targets:\n  gpu-cluster:\n    vm_size: STANDARD_NC6S_V3",
        code.gpu_on_cpu,
    ),
    Rule(
        "AML403",
        "pipeline-parameter",
        "error",
        "A pipeline parameter that no node reads (a warning), or that is no plain value.",
        "A PipelineParameter is text or a number; one that nobody reads changes nothing.",
        "pipeline_parameters:\n  model_name: params:model_name",
        code.bad_parameter,
    ),
    Rule(
        "AML501",
        "names-collide",
        "error",
        "Datasets, steps or parameters whose names are the same by Azure's naming rules.",
        "All but letters, digits and _ become _, so a.b and a_b would be one output.",
        "train.rows and train_rows: rename one",
        data.names_collide,
    ),
    Rule(
        "AML502",
        "group-is-split",
        "warning",
        "A namespace or tag that cannot be one step, since the steps would wait for each other.",
        "Kedro allows nodes of a namespace before and after other nodes; a step is one block.",
        "a.load -> b.join -> a.save: 'a' cannot be one step beside 'b'",
        code.group_is_split,
    ),
)


def check(
    situation: Situation, select: Iterable[str] = (), ignore: Iterable[str] = ()
) -> tuple[Finding, ...]:
    """Run the rules.

    Args:
        situation: What to look at.
        select: Codes, or their beginnings, to run; all if there is none.
        ignore: Codes, or their beginnings, to leave out.

    Raises:
        UsageError: A code that no rule has.
    """
    select, ignore = tuple(select), tuple(ignore)
    for wanted in (*select, *ignore):
        if not any(rule.code.startswith(wanted.upper()) for rule in RULES):
            raise UsageError(_unknown(wanted))
    chosen = (
        rule
        for rule in RULES
        if (not select or _matches(rule, select)) and not _matches(rule, ignore)
    )
    return tuple(finding for rule in chosen for finding in rule.findings(situation))


def rule_of(code: str) -> Rule:
    """Return a rule by its code or its name.

    Raises:
        UsageError: There is none.
    """
    for rule in RULES:
        if code.upper() == rule.code or code.lower() == rule.name:
            return rule
    raise UsageError(_unknown(code))


def explain(code: str) -> str:
    """Say what a code means, why it matters, and give an example.

    Raises:
        UsageError: There is no such code.
    """
    rule = rule_of(code)
    example = "\n".join(f"    {line}".rstrip() for line in rule.example.splitlines())
    return (
        f"{rule.code} {rule.name} ({rule.severity})\n\n"
        f"What: {rule.what}\n\nWhy: {rule.why}\n\nExample:\n\n{example}\n"
    )


def _matches(rule: Rule, codes: tuple[str, ...]) -> bool:
    return any(rule.code.startswith(code.upper()) for code in codes)


def _unknown(code: str) -> str:
    codes = [rule.code for rule in RULES]
    return f"no rule '{code}'{did_you_mean(code, codes)} (codes: {', '.join(codes)})"

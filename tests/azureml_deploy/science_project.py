"""A Kedro project that trains two models on data that ship in packages: none of it is the Titanic's."""

from __future__ import annotations

from pathlib import Path

from foreign_project import edit

FILES = {
    "pyproject.toml": """
[tool.kedro]
package_name = "science"
project_name = "Science"
kedro_init_version = "1.7.0"
source_dir = "src"
""",
    "src/science/__init__.py": "",
    "src/science/settings.py": """
CONFIG_LOADER_ARGS = {"base_env": "base", "default_run_env": "local"}
""",
    "conf/local/.gitkeep": "",
    "src/science/nodes.py": """
def split_patients(patients):
    return patients.iloc[::2].reset_index(drop=True), patients.iloc[1::2].reset_index(drop=True)

def prepare_prices(stock, horizon):
    import pandas as pd
    prices = pd.DataFrame({
        "day": pd.date_range("2003-06-01", periods=len(stock)).astype("datetime64[ns]"),
        "close": stock["Close"][::-1].to_numpy(),
    })
    return prices[:-horizon], prices[-horizon:].reset_index(drop=True)

def fit_regression(train, settings):
    raise NotImplementedError("Azure ML's AutoML trains")

def fit_forecasting(train, settings):
    raise NotImplementedError("Azure ML's AutoML trains")

def measure(regressor, patients):
    from sklearn.metrics import r2_score
    predicted = regressor.predict(patients.drop(columns="target"))
    return {"r2": float(r2_score(patients["target"], predicted)), "rows": len(patients)}

def forecast(forecaster, prices):
    predicted = forecaster.predict(prices.drop(columns="close"))
    return prices.assign(forecast=predicted)
""",
    "src/science/pipeline_registry.py": """
from kedro.pipeline import Pipeline, node
from science import nodes
def register_pipelines():
    regression = Pipeline([
        node(nodes.split_patients, "patients", ["patients_train", "patients_test"], name="split"),
        node(nodes.fit_regression, ["patients_train", "params:regression"],
             ["regressor", "regression_metrics"], name="fit_regression", tags="azureml.automl"),
        node(nodes.measure, ["regressor", "patients_test"], "measured", name="measure"),
    ])
    forecasting = Pipeline([
        node(nodes.prepare_prices, ["stock", "params:forecasting.forecast_horizon"],
             ["prices_train", "prices_test"], name="prepare_prices"),
        node(nodes.fit_forecasting, ["prices_train", "params:forecasting"],
             ["forecaster", "forecasting_metrics"], name="fit_forecasting", tags="azureml.automl"),
        node(nodes.forecast, ["forecaster", "prices_test"], "forecasts", name="forecast"),
    ])
    both = regression + forecasting
    return {"__default__": both, "regression": regression, "forecasting": forecasting}
""",
    "conf/base/catalog.yml": """
patients: {type: pandas.CSVDataset, filepath: data/patients.csv}
stock: {type: pandas.CSVDataset, filepath: data/stock.csv}
"{part}_train": {type: pandas.ParquetDataset, filepath: "data/{part}_train.parquet"}
"{part}_test": {type: pandas.ParquetDataset, filepath: "data/{part}_test.parquet"}
regressor: {type: pickle.PickleDataset, filepath: data/regressor.pkl}
forecaster: {type: pickle.PickleDataset, filepath: data/forecaster.pkl}
"{task}_metrics": {type: json.JSONDataset, filepath: "data/{task}_metrics.json"}
measured: {type: json.JSONDataset, filepath: data/measured.json}
forecasts: {type: pandas.CSVDataset, filepath: data/forecasts.csv, save_args: {index: false}}
""",
    "conf/base/parameters.yml": """
regression:
  task: regression
  primary_metric: r2_score
  label_column_name: target
  iterations: 1
  n_cross_validations: 2
  enable_voting_ensemble: false
forecasting:
  task: forecasting
  primary_metric: normalized_root_mean_squared_error
  label_column_name: close
  time_column_name: day
  forecast_horizon: 4
  iterations: 1
  n_cross_validations: 2
  enable_voting_ensemble: false
""",
    "conf/base/azureml.yml": """
experiment_name: science
compute_targets: {small: {}, large: {max_nodes: 2}}
environments:
  automl-runtime:
    python_version: "3.10"
    pip_packages: [azureml-train-automl-runtime==1.62.0, kedro, kedro-datasets]
default: {compute_target: small, environment: automl-runtime}
steps: [{tag: azureml.automl, compute_target: large}]
datasets:
  patients: {paths: data/patients.csv}
  stock: {paths: data/stock.csv}
roles:
  training_data: [patients_train, prices_train]
  model: [regressor, forecaster]
  metrics: [regression_metrics, forecasting_metrics]
  automl_settings: ["params:regression", "params:forecasting"]
""",
}


def write_science_project(folder: Path) -> Path:
    """Write the project and its data: scikit-learn's diabetes patients, matplotlib's stock prices."""
    from matplotlib.cbook import get_sample_data
    from sklearn.datasets import load_diabetes

    for name, text in FILES.items():
        edit(folder, name, text.lstrip("\n"))
    (folder / "data").mkdir()
    load_diabetes(as_frame=True).frame.to_csv(folder / "data/patients.csv", index=False)
    prices = get_sample_data("msft.csv", asfileobj=False)
    (folder / "data/stock.csv").write_text(Path(prices).read_text())
    return folder

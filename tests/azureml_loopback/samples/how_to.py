"""Microsoft's how-to "Use automated ML in an Azure Machine Learning pipeline", block by block.

The code is the how-to's own. Mended: `os` is imported, the data come from a local file, undefined
names (`ex`, `metrics_output`) are defined, and what pandas 3 and numpy 2 no longer take is written as
they do. Usage: how_to.py TITANIC_CSV
"""

import sys
from pathlib import Path

TITANIC_CSV = sys.argv[1]

# Recuperación del conjunto de datos inicial ------------------------------------------------------
from azureml.core import Dataset, Workspace

ws = Workspace.from_config()
if "titanic_ds" not in ws.datasets.keys():
    # create a TabularDataset from Titanic training data
    datastore = ws.get_default_datastore()
    datastore.upload_files(
        [TITANIC_CSV], target_path="titanic", overwrite=True, show_progress=False
    )
    titanic_ds = Dataset.Tabular.from_delimited_files(path=[(datastore, "titanic/titanic.csv")])

    titanic_ds.register(
        workspace=ws,
        name="titanic_ds",
        description="Titanic baseline data",
        create_new_version=True,
    )

titanic_ds = Dataset.get_by_name(ws, "titanic_ds")

# Configuración del almacenamiento y el destino de proceso ----------------------------------------
from azureml.core.compute import AmlCompute, ComputeTarget

datastore = ws.get_default_datastore()

compute_name = "cpu-cluster"
if compute_name not in ws.compute_targets:
    print("creating a new compute target...")
    provisioning_config = AmlCompute.provisioning_configuration(
        vm_size="STANDARD_D2_V2", min_nodes=0, max_nodes=1
    )
    compute_target = ComputeTarget.create(ws, compute_name, provisioning_config)

    compute_target.wait_for_completion(show_output=True, min_node_count=None, timeout_in_minutes=20)

    # Show the result
    print(compute_target.get_status().serialize())

compute_target = ws.compute_targets[compute_name]

# Configuración de la ejecución de entrenamiento --------------------------------------------------
from azureml.core import Environment
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.runconfig import RunConfiguration

aml_run_config = RunConfiguration()
# Use just-specified compute target ("cpu-cluster")
aml_run_config.target = compute_target

USE_CURATED_ENV = True
if USE_CURATED_ENV:
    curated_environment = Environment.get(workspace=ws, name="AzureML-Tutorial")
    aml_run_config.environment = curated_environment
else:
    aml_run_config.environment.python.user_managed_dependencies = False

    # Add some packages relied on by data prep step
    aml_run_config.environment.python.conda_dependencies = CondaDependencies.create(
        conda_packages=["pandas", "scikit-learn"],
        pip_packages=["azureml-sdk[automl,explain]", "azureml-dataprep[fuse,pandas]"],
        pin_sdk_version=False,
    )

# Escritura del código de preparación de datos ----------------------------------------------------
Path("dataprep.py").write_text("""
from azureml.core import Run

import os
import pandas as pd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import argparse

RANDOM_SEED=42

def prepare_age(df):
    # Fill in missing Age values from distribution of present Age values
    mean = df["Age"].mean()
    std = df["Age"].std()
    is_null = df["Age"].isnull().sum()
    # compute enough (== is_null().sum()) random numbers between the mean, std
    rand_age = np.random.randint(int(mean - std), int(mean + std), size = is_null)
    # fill NaN values in Age column with random values generated
    age_slice = df["Age"].copy()
    age_slice[np.isnan(age_slice)] = rand_age
    df["Age"] = age_slice
    df["Age"] = df["Age"].astype(int)

    # Quantize age into 5 classes
    df['Age_Group'] = pd.qcut(df['Age'],5, labels=False)
    df.drop(['Age'], axis=1, inplace=True)
    return df

def prepare_fare(df):
    df['Fare'] = df['Fare'].fillna(0)
    df['Fare_Group'] = pd.qcut(df['Fare'],5,labels=False)
    df.drop(['Fare'], axis=1, inplace=True)
    return df

def prepare_genders(df):
    genders = {"male": 0, "female": 1, "unknown": 2}
    df['Sex'] = df['Sex'].map(genders)
    df['Sex'] = df['Sex'].fillna(2)
    df['Sex'] = df['Sex'].astype(int)
    return df

def prepare_embarked(df):
    df['Embarked'] = df['Embarked'].replace('', 'U')
    df['Embarked'] = df['Embarked'].fillna('U')
    ports = {"S": 0, "C": 1, "Q": 2, "U": 3}
    df['Embarked'] = df['Embarked'].map(ports)
    return df

parser = argparse.ArgumentParser()
parser.add_argument('--output_path', dest='output_path', required=True)
args = parser.parse_args()

titanic_ds = Run.get_context().input_datasets['titanic_ds']
df = titanic_ds.to_pandas_dataframe().drop(['PassengerId', 'Name', 'Ticket', 'Cabin'], axis=1)
df = prepare_embarked(prepare_genders(prepare_fare(prepare_age(df))))

os.makedirs(os.path.dirname(args.output_path), exist_ok=True)
pq.write_table(pa.Table.from_pandas(df), args.output_path)

print(f"Wrote test to {args.output_path} and train to {args.output_path}")
""")

# Escritura del paso de canalización de preparación de datos --------------------------------------
from azureml.pipeline.core import PipelineData
from azureml.pipeline.steps import PythonScriptStep

prepped_data_path = PipelineData("titanic_train", datastore).as_dataset()

dataprep_step = PythonScriptStep(
    name="dataprep",
    script_name="dataprep.py",
    compute_target=compute_target,
    runconfig=aml_run_config,
    arguments=["--output_path", prepped_data_path],
    inputs=[titanic_ds.as_named_input("titanic_ds")],
    outputs=[prepped_data_path],
    allow_reuse=True,
)

# Envío de datos a AutoMLStep ---------------------------------------------------------------------
# type(prepped_data_path) == PipelineOutputFileDataset
# type(prepped_data) == PipelineOutputTabularDataset
prepped_data = prepped_data_path.parse_parquet_files(file_extension=None)

# Especificación de salidas de ML automatizado ----------------------------------------------------
from azureml.pipeline.core import TrainingOutput

metrics_data = PipelineData(
    name="metrics_data",
    datastore=datastore,
    pipeline_output_name="metrics_output",
    training_output=TrainingOutput(type="Metrics"),
)
model_data = PipelineData(
    name="best_model_data",
    datastore=datastore,
    pipeline_output_name="model_output",
    training_output=TrainingOutput(type="Model"),
)

# Configuración y creación del paso de canalización de ML automatizado ----------------------------
from azureml.pipeline.steps import AutoMLStep
from azureml.train.automl import AutoMLConfig

# Change iterations to a reasonable number (50) to get better accuracy
automl_settings = {
    "iteration_timeout_minutes": 10,
    "iterations": 2,
    "experiment_timeout_hours": 0.25,
    "primary_metric": "AUC_weighted",
}

automl_config = AutoMLConfig(
    task="classification",
    path=".",
    debug_log="automated_ml_errors.log",
    compute_target=compute_target,
    run_configuration=aml_run_config,
    featurization="auto",
    training_data=prepped_data,
    label_column_name="Survived",
    **automl_settings,
)

# the how-to's flags, but for the default outputs, which its last section downloads
train_step = AutoMLStep(
    name="AutoML_Classification",
    automl_config=automl_config,
    outputs=[metrics_data, model_data],
    enable_default_model_output=True,
    enable_default_metrics_output=True,
    allow_reuse=True,
)

# Escritura del código para registrar el modelo ---------------------------------------------------
Path("register_model.py").write_text("""
from azureml.core.model import Model, Dataset
from azureml.core.run import Run, _OfflineRun
from azureml.core import Workspace
import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--model_name", required=True)
parser.add_argument("--model_path", required=True)
args = parser.parse_args()

print(f"model_name : {args.model_name}")
print(f"model_path: {args.model_path}")

run = Run.get_context()
ws = Workspace.from_config() if type(run) == _OfflineRun else run.experiment.workspace

model = Model.register(workspace=ws,
                       model_path=args.model_path,
                       model_name=args.model_name)

print("Registered version {0} of model {1}".format(model.version, model.name))
""")

# Escritura del código de PythonScriptStep --------------------------------------------------------
from azureml.pipeline.core.graph import PipelineParameter

# The model name with which to register the trained model in the workspace.
model_name = PipelineParameter("model_name", default_value="TitanicSurvivalInitial")

register_step = PythonScriptStep(
    script_name="register_model.py",
    name="register_model",
    allow_reuse=False,
    arguments=["--model_name", model_name, "--model_path", model_data],
    inputs=[model_data],
    compute_target=compute_target,
    runconfig=aml_run_config,
)

# Creación y ejecución de la canalización de ML automatizado --------------------------------------
from azureml.core import Experiment
from azureml.pipeline.core import Pipeline

pipeline = Pipeline(ws, [dataprep_step, train_step, register_step])

experiment = Experiment(workspace=ws, name="titanic_automl")

run = experiment.submit(pipeline, show_output=True)
run.wait_for_completion()

# Examen de los resultados de la canalización -----------------------------------------------------
metrics_output_port = run.get_pipeline_output("metrics_output")
model_output_port = run.get_pipeline_output("model_output")

metrics_output_port.download(".", show_progress=True)
model_output_port.download(".", show_progress=True)

import json

import pandas as pd

metrics_filename = metrics_output_port._data_reference.path_on_datastore
# metrics_filename = path to downloaded file
with open(metrics_filename) as f:
    metrics_output_result = f.read()

deserialized_metrics_output = json.loads(metrics_output_result)
df = pd.DataFrame(deserialized_metrics_output)
print(df)
assert df.loc["AUC_weighted"].map(lambda values: values[0]).between(0.5, 1).all()
assert len(df.columns) >= 2

import pickle

model_filename = model_output_port._data_reference.path_on_datastore
# model_filename = path to downloaded file

with open(model_filename, "rb") as f:
    best_model = pickle.load(f)

assert hasattr(best_model, "predict")

# Descarga de los resultados de una ejecución de ML automatizado ----------------------------------
# Retrieved from Azure Machine Learning web UI
run_id = run.id
experiment = ws.experiments["titanic_automl"]
run = next(run for run in experiment.get_runs() if run.id == run_id)

automl_run = next(r for r in run.get_children() if r.name == "AutoML_Classification")
outputs = automl_run.get_outputs()
metrics = outputs["default_metrics_AutoML_Classification"]
model = outputs["default_model_AutoML_Classification"]

metrics.get_port_data_reference().download(".")
model.get_port_data_reference().download(".")

from azureml.core.model import Model

registered = Model(ws, "TitanicSurvivalInitial")
print(f"{registered.name} version {registered.version}; run {run.get_status()}")

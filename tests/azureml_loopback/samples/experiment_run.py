"""Training in a notebook: metrics, files, child runs, a model registered from a run and downloaded."""

from __future__ import annotations

import pickle
from pathlib import Path

from azureml.core import Experiment, Run, Workspace
from azureml.core.model import Model
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import train_test_split

ws = Workspace.from_config()
experiment = Experiment(workspace=ws, name="train-within-notebook")
x, y = load_diabetes(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=0)

run = experiment.start_logging(snapshot_directory=None)
run.tag("kind", "ridge")
run.log("alpha", 0.03)
for alpha in (0.1, 0.2, 0.3):
    with run.child_run(name=f"alpha_{alpha:.1f}") as child:
        model = Ridge(alpha=alpha).fit(x_train, y_train)
        mse = mean_squared_error(y_test, model.predict(x_test))
        child.log("alpha", alpha)
        child.log("mse", mse)
        name = f"ridge_{alpha:.1f}.pkl"
        Path(name).write_bytes(pickle.dumps(model))
        child.upload_file(name=f"outputs/{name}", path_or_stream=name)
    run.log("mse", mse)
run.log_row("by row", x=1, y=2)
run.log_table("table", {"x": [1, 2], "y": [0.1, 0.2]})
run.complete()

assert run.get_status() == "Completed"
assert len(run.get_metrics()["mse"]) == 3
children = list(run.get_children())
best = min(children, key=lambda child: child.get_metrics()["mse"])
assert best.parent.id == run.id
(model_file,) = [name for name in best.get_file_names() if name.startswith("outputs/")]
model = best.register_model("diabetes", model_path=model_file, tags={"area": "diabetes"})
assert Model(ws, "diabetes").version == model.version
path = Path(model.download("back", exist_ok=True))
assert hasattr(pickle.loads(path.read_bytes()), "predict")
fetched = Run.get(ws, run.id)
assert fetched.tags["kind"] == "ridge"
assert next(iter(experiment.get_runs())).id == run.id
assert any(m.id == model.id for m in Model.list(ws, tags=[["area", "diabetes"]]))
print("done")

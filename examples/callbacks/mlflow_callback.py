"""MLflow: settings as parameters, each trial and each iteration as metrics. pip install mlflow"""

import mlflow

import blockqnn


class MLflow(blockqnn.Callback):
    def begun(self, run):
        mlflow.start_run(run_name=run.directory.name)
        mlflow.log_dict(run.facts.settings.model_dump(mode="json"), "settings.json")

    def told(self, trial, outcome, reward):
        measured = outcome.model_dump(include={"accuracy", "params", "flops"})
        mlflow.log_metrics({"reward": reward, **measured}, step=trial.number)

    def iteration(self, row):
        mlflow.log_metrics({"epsilon": row.epsilon, "mean reward": row.reward}, step=row.last)

    def ended(self, status):
        mlflow.set_tag("trajectory", status["trajectory"])
        mlflow.end_run()

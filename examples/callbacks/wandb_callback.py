"""Weights & Biases without a network: `wandb sync` sends it later. pip install wandb"""

import wandb

import blockqnn


class WandB(blockqnn.Callback):
    def begun(self, run):
        settings = run.facts.settings.model_dump(mode="json")
        wandb.init(project="blockqnn", name=run.directory.name, mode="offline", config=settings)
        wandb.define_metric("trial/*", step_metric="trial/number")
        wandb.define_metric("iteration/*", step_metric="iteration/number")

    def told(self, trial, outcome, reward):
        measured = outcome.model_dump(include={"accuracy", "params", "flops"})
        values = {"number": trial.number, "reward": reward, **measured}
        wandb.log({f"trial/{name}": value for name, value in values.items()})

    def iteration(self, row):
        wandb.log({"iteration/number": row.last, "iteration/epsilon": row.epsilon})

    def ended(self, status):
        wandb.finish()

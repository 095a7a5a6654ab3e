"""From a network to a measurement: data, the one training loop, the early-stop evaluation."""

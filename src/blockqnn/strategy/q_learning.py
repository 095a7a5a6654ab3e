"""The equations of section 3.2, one pure function each.

Subscripts as in the paper: `q` is Q(s_t, a), `r_t` the reward of step t, `r_T` the reward of the
whole trajectory, `T` its number of steps.
"""


def shaped_reward(r_T: float, T: int) -> float:
    """The reward of each step but the last, eq. 6: r_t = r_T / T."""
    return r_T / T


def step_size(visits: int) -> float:
    """1 / n for the n-th update of a pair: Q becomes the mean of its targets."""
    return 1.0 / visits


def updated(q: float, alpha: float, target: float) -> float:
    """Q moved towards its target, the common form of eq. 4 and 5: (1 - alpha) Q + alpha target.

    Eq. 4, the action to the final state, has the target r_T.
    """
    return (1.0 - alpha) * q + alpha * target


def bellman_target(r_t: float, gamma: float, max_q_next: float) -> float:
    """The target of eq. 5: r_t + gamma max_a' Q(s_{t+1}, a')."""
    return r_t + gamma * max_q_next


def monte_carlo_return(r_t: float, gamma: float, return_next: float) -> float:
    """The return that was really seen: r_t + gamma G_{t+1}; G of the last step is r_T."""
    return r_t + gamma * return_next

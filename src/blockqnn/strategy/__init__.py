"""How to choose the next design: Q-learning and its equations, random search. No torch."""

"""The teaching maths: course step, exam step, hypergradients and teacher policies (README, *The method in formulas*)."""

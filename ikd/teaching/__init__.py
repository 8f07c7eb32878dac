"""The teaching maths: course step, exam step, hypergradients and teacher policies (METHOD sections 2 to 5)."""

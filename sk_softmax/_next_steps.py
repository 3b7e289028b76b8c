"""What to say of fits that did not end at an optimum, and what to do about it."""


def separation(classes, C, optimality):
    """What to say where the optimum is at infinity."""
    free, step = f"C={C:g}", "Use a finite C, such as 1."
    if C < 1e290:  # above, 1 / (C S) may be zero
        free = "penalty_factor=0"
        step = "Give the features that do so a positive penalty_factor."
    return (
        f"X separates classes {classes.tolist()} from all others without an error, so "
        f"that with {free} the optimum is at infinity: the coefficients are finite "
        f"only because the fit stopped when {optimality:.0e} of the objective was "
        f"left. {step}"
    )


def next_step(max_iter, n_iter):
    """What to do about a fit that did not converge after so many passes."""
    if n_iter < max_iter - 1:
        return (
            "The objective is flat to the last digit that X's dtype has: use float64, "
            "subtract a constant from features far from zero, or raise tol if this is "
            "near enough. Where offsets or coef_prior make all rows certain, a penalty "
            "on every feature helps."
        )
    return (
        f"Raise max_iter (now {max_iter}), or tol if this is near enough; a smaller C "
        "makes the problem easier."
    )

"""Evaluation: what a recipe makes of objects with a known truth, by the published protocol (docs/evaluation.md).

    evaluation.run.evaluate_folder(folder, recipe, models, options) -> Evaluation

Nothing that builds assets imports it.
"""

//! The run: recipe, optimiser, schedule, step, events, checkpoint, resume.

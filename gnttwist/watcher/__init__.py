"""
The watcher: starts again what should be up and is not. Run every few minutes by a timer.
"""

"""
The job queue: lifecycle, scheduling, locks, journal, job context, subscriptions.
"""

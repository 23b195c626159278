"""The process people talk to: answers, keeps the journal of jobs and the queue, looks after the executor."""

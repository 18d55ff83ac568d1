"""Celery's settings: plain values, each with its reason. Measured figures are in docs/reliability.md.

The environment gives the broker's address and the schedule; everything else is a decision.
"""

from kombu import Exchange, Queue

from tasks.schedule import parse_schedule
from usage_billing.settings import Settings

_settings = Settings.from_environment()
_on_redis = _settings.broker_url.startswith(("redis", "unix"))

broker_url = _settings.broker_url
timezone = "UTC"
enable_utc = True

# --- what a message is ---------------------------------------------------------------------------------------
# Whoever can write to the broker could otherwise run code here by unpickling.
task_serializer = "json"
accept_content = ["json"]
# Progress is rows in the database; a result in the broker would be a second truth, and a leak.
result_backend = None
task_ignore_result = True

# --- queues --------------------------------------------------------------------------------------------------
# Declared, direct and complete: a misspelt queue must fail rather than swallow messages, and a topic
# exchange that lost its binding does just that.
task_default_exchange_type = "direct"
task_create_missing_queues = False
_QUEUES = ("usage", "billing", "housekeeping")
# RabbitMQ's quorum queues survive a node; Redis ignores the argument.
_arguments = None if _on_redis else {"x-queue-type": "quorum"}
task_queues = [Queue(name, Exchange(name), routing_key=name, queue_arguments=_arguments) for name in _QUEUES]
task_default_queue = "housekeeping"
task_routes = {
    "usage.*": {"queue": "usage"},
    "billing.*": {"queue": "billing"},
    "outbox.*": {"queue": "housekeeping"},
    "housekeeping.*": {"queue": "housekeeping"},
}

# --- what happens when something dies ------------------------------------------------------------------------
# A message is done when its work is, and comes back when its process is killed. It is only a wake-up: what
# there is to do stands in the inbox and in the run's rows, and a sweep finds it even without the message.
task_acks_late = True
task_reject_on_worker_lost = True
# A task that failed is not tried by sending the message round again: the sweep does that, with its own pause.
task_acks_on_failure = True
task_acks_on_timeout = True
task_time_limit = 120
task_soft_time_limit = 90
broker_connection_retry_on_startup = True
broker_connection_max_retries = None

# --- the worker ----------------------------------------------------------------------------------------------
# One message a process: a long drain must not sit on the next one.
worker_prefetch_multiplier = 1
worker_disable_prefetch = _on_redis
# TERM lets running tasks end; after USAGE_BILLING_STOP_SECONDS tasks/celery.py sends QUIT, which hands back at once
# what still runs. The worker's own soft shutdown would sleep its whole time even when there is nothing to wait for.
worker_soft_shutdown_timeout = 0
# A bound on whatever may leak.
worker_max_tasks_per_child = 1000
worker_max_memory_per_child = 300_000
worker_concurrency = _settings.worker_processes
# Sent events double the cost of a task; `usage-billing up --with-flower` turns them on for Flower.
worker_send_task_events = _settings.task_events
task_send_sent_event = _settings.task_events
# Our own handlers log to stderr and to the daily file.
worker_hijack_root_logger = False

if _on_redis:
    broker_transport_options = {
        # Longer than any task may take, or it would be run twice with nothing killed.
        "visibility_timeout": 300,
        # Look for the unacknowledged of killed workers every 5 s instead of every 100 s.
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "unacked_mutex_expire": 60,
        "socket_timeout": 10,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "health_check_interval": 25,
        "global_keyprefix": "usage-billing:celery:",
    }
else:
    # Without confirms a publish is a hope.
    task_default_queue_type = "quorum"
    broker_transport_options = {"confirm_publish": True}

# --- beat ----------------------------------------------------------------------------------------------------
if _settings.redis_url:
    # Its schedule and its lock live in Redis: a second beat takes over within 15 s (1,500 s by default), and two
    # never tick both. If they did: every task below may run twice.
    beat_scheduler = "redbeat.RedBeatScheduler"
    redbeat_redis_url = _settings.redis_url
    redbeat_key_prefix = "usage-billing:beat:"
    redbeat_lock_timeout = 15
    # Its own: without, it takes those of the broker's that it knows, and warns of that at each start.
    redbeat_redis_options = {"socket_keepalive": True}
else:
    # The inbox on PostgreSQL and RabbitMQ for the messages: then there is no Redis. Two beats both tick, harmlessly.
    beat_scheduler = "celery.beat:PersistentScheduler"
    beat_schedule_filename = str(_settings.home / "beat-schedule")
beat_max_loop_interval = 3
beat_sync_every = 1
beat_schedule = {
    "daily-chain": {
        "task": "billing.run_daily",
        "schedule": parse_schedule(_settings.schedule),
        "kwargs": {"scheduled": True},
    },
    "resume-runs": {"task": "billing.resume_runs", "schedule": 30.0, "options": {"expires": 30}},
    "sweep-inbox": {"task": "usage.sweep", "schedule": 5.0, "options": {"expires": 5}},
    "relay-outbox": {"task": "outbox.relay", "schedule": 5.0, "options": {"expires": 5}},
}

"""Celery's settings: plain values, each with its reason. Measured figures are in docs/reliability.md.

The environment gives the broker's address and the schedule; everything else is a decision.
"""

from kombu import Exchange, Queue

from tasks.schedule import beat_entries
from usage_billing.queues import QueueName
from usage_billing.settings import settings_of_service

_settings = settings_of_service()
_on_redis = _settings.broker_url.startswith(("redis", "unix"))

broker_url = _settings.broker_url
timezone = "UTC"
enable_utc = True

# --- what a message is ---------------------------------------------------------------------------------------
# With pickle, a process that can write to the broker could run its code here.
task_serializer = "json"
accept_content = ["json"]
# Progress is kept as rows in the database. Results in the broker would be a second truth, and would pile up there.
result_backend = None
task_ignore_result = True

# --- queues --------------------------------------------------------------------------------------------------
# Every queue is declared here, on a direct exchange. A task sent to a misspelt queue must fail: a topic exchange that
# lost its binding would swallow the message.
task_default_exchange_type = "direct"
task_create_missing_queues = False
# RabbitMQ's quorum queues survive a node; Redis ignores the argument.
_arguments = None if _on_redis else {"x-queue-type": "quorum"}
task_queues = [
    Queue(name, Exchange(name), routing_key=name, queue_arguments=_arguments) for name in map(str, QueueName)
]
task_default_queue = str(QueueName.HOUSEKEEPING)
task_routes = {
    # Counting for meters has a queue of its own: it may lag, and must not keep a recording from being counted.
    "usage.fold": {"queue": str(QueueName.FOLDING)},
    "usage.*": {"queue": str(QueueName.USAGE)},
    "billing.*": {"queue": str(QueueName.BILLING)},
    "wallets.*": {"queue": str(QueueName.BILLING)},
    "outbox.*": {"queue": str(QueueName.MESSAGES)},
    "webhooks.*": {"queue": str(QueueName.MESSAGES)},
    "alerts.*": {"queue": str(QueueName.HOUSEKEEPING)},
    "mail.*": {"queue": str(QueueName.MESSAGES)},
    "documents.*": {"queue": str(QueueName.MESSAGES)},
    "housekeeping.*": {"queue": str(QueueName.HOUSEKEEPING)},
}

# --- what happens when something dies ------------------------------------------------------------------------
# A message is acknowledged when its task ends, and comes back when its process is killed. It is only a wake-up: the
# work to do stands in the inbox and in the run's rows, and a sweep finds it there even without the message.
task_acks_late = True
task_reject_on_worker_lost = True
# The message of a failed task is acknowledged too: the sweep tries the work again, with its own pause.
task_acks_on_failure = True
task_acks_on_timeout = True
task_time_limit = 120
task_soft_time_limit = 90
broker_connection_retry_on_startup = True
broker_connection_max_retries = None

# --- the worker ----------------------------------------------------------------------------------------------
# A process takes one message at a time: a long drain must not keep the next message from other processes.
worker_prefetch_multiplier = 1
worker_disable_prefetch = _on_redis
# TERM lets running tasks end; after USAGE_BILLING_STOP_SECONDS tasks/celery.py sends QUIT, which hands back at once
# what still runs. The worker's own soft shutdown would sleep its whole time even when there is nothing to wait for.
worker_soft_shutdown_timeout = 0
# A process is replaced after so many tasks, or once it holds so many kilobytes: a bound on memory leaks.
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
        # In seconds, longer than any task may take: else a task that still runs would be delivered a second time.
        "visibility_timeout": 300,
        # Look for the unacknowledged messages of killed workers every 5 s instead of every 100 s.
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
    # With confirms, a publish that RabbitMQ did not take raises an error.
    task_default_queue_type = "quorum"
    broker_transport_options = {"confirm_publish": True}

# --- beat ----------------------------------------------------------------------------------------------------
if _settings.redis_url:
    # The schedule and beat's lock live in Redis: a second beat takes over within 15 s (1,500 s by default), and two
    # beats never tick both. Even if they did, no harm is done: every task below may run twice.
    beat_scheduler = "tasks.beat.RedisScheduler"
    # redbeat_redis_url, with its password, is set by the scheduler in beat alone: a worker tells its configuration to
    # everybody who asks through the broker, as Flower does, and Celery masks only the URLs that it knows of itself.
    redbeat_key_prefix = "usage-billing:beat:"
    redbeat_lock_timeout = 15
    # RedBeat's own options. Without them it takes those of the broker's options that it knows, and warns at each start.
    redbeat_redis_options = {
        "socket_timeout": 10,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "health_check_interval": 25,
    }
else:
    # Without Redis the inbox is on PostgreSQL and RabbitMQ carries the messages. Two beats then tick both, which does
    # no harm: every task below may run twice.
    beat_scheduler = "tasks.beat.MemoryScheduler"
beat_max_loop_interval = 3
beat_sync_every = 1
beat_schedule = {
    **beat_entries(_settings.daily_schedule),
    # A tick can be lost: the broker or the database was away, or beat was.
    "sweep-ticks": {"task": "billing.sweep_ticks", "schedule": 60.0, "options": {"expires": 60}},
    "resume-runs": {"task": "billing.resume_runs", "schedule": 30.0, "options": {"expires": 30}},
    "sweep-inbox": {"task": "usage.sweep", "schedule": 5.0, "options": {"expires": 5}},
    "fold": {"task": "usage.fold", "schedule": 10.0, "options": {"expires": 10}},
    "close-grants": {"task": "wallets.close_grants", "schedule": 60.0, "options": {"expires": 60}},
    "expire-top-ups": {"task": "wallets.expire_top_ups", "schedule": 60.0, "options": {"expires": 60}},
    "open-occurrences": {"task": "wallets.open_occurrences", "schedule": 60.0, "options": {"expires": 60}},
    "prune": {"task": "housekeeping.prune", "schedule": 3_600.0, "options": {"expires": 3600}},
    "documents": {"task": "documents.make_waiting", "schedule": 5.0, "options": {"expires": 5}},
    # Each hour is judged once; the ticks between find it done, or go on where a worker was killed.
    "project-spend": {"task": "alerts.project", "schedule": 300.0, "options": {"expires": 300}},
    "find-anomalies": {"task": "alerts.find_anomalies", "schedule": 300.0, "options": {"expires": 300}},
    "judge-alerts": {"task": "alerts.judge", "schedule": 5.0, "options": {"expires": 5}},
    "deliver": {"task": "webhooks.deliver", "schedule": 5.0, "options": {"expires": 5}},
    "deliver-mail": {"task": "mail.deliver", "schedule": 5.0, "options": {"expires": 5}},
    "forget-events": {"task": "webhooks.prune", "schedule": 86_400.0, "options": {"expires": 3600}},
    "relay-outbox": {"task": "outbox.relay", "schedule": 5.0, "options": {"expires": 5}},
}

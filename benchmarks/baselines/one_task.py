"""The usual way to record usage: a Celery task and an ORM insert for each event, which sums up the period each time.

A module of its own, with tables of its own: it shares nothing with the product but its server processes.
"""

import os
from datetime import UTC, datetime
from decimal import Decimal

from celery import Celery
from flask import Flask, Response, jsonify, request
from sqlalchemy import Index, create_engine, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

tasks = Celery("one_task", broker=os.environ["ONE_TASK_BROKER"])
engine = create_engine(os.environ["ONE_TASK_DATABASE"], pool_size=2)
app = Flask(__name__)


class Base(DeclarativeBase):
    """The tables of the baseline."""


class Event(Base):
    """A recorded event: a row of the baseline's only table."""

    __tablename__ = "one_task_events"
    __table_args__ = (Index("ix_one_task_sum", "subscription_id", "usage_type", "recorded_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    idempotency_key: Mapped[str] = mapped_column(unique=True)
    user_id: Mapped[str]
    subscription_id: Mapped[str]
    usage_type: Mapped[str]
    quantity: Mapped[Decimal]
    recorded_at: Mapped[datetime]
    beyond_limit: Mapped[bool]


@app.post("/api/usage/record")
def record() -> tuple[Response, int]:
    """Enqueue a task for the event and answer 202."""
    body = request.get_json()
    insert.delay(body)
    return jsonify({"id": body["idempotencyKey"], "status": "accepted"}), 202


@tasks.task
def insert(body: dict[str, str]) -> None:
    """Sum up the month so far, compare it with the limit, insert the event; a known key inserts nothing."""
    now = datetime.now(UTC)
    start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    with Session(engine) as session:
        used = session.scalar(
            select(func.coalesce(func.sum(Event.quantity), 0)).where(
                Event.subscription_id == body["subscriptionId"],
                Event.usage_type == body["usageType"],
                Event.recorded_at >= start,
            )
        )
        quantity = Decimal(str(body["quantity"]))
        session.add(
            Event(
                idempotency_key=body["idempotencyKey"],
                user_id=body["userId"],
                subscription_id=body["subscriptionId"],
                usage_type=body["usageType"],
                quantity=quantity,
                recorded_at=now,
                beyond_limit=Decimal(used or 0) + quantity > 50,
            )
        )
        try:
            session.commit()
        except IntegrityError:
            session.rollback()

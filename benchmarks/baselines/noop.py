"""What the server itself costs: a Flask application that reads JSON and answers JSON, and does nothing else."""

from flask import Flask, Response, jsonify, request

app = Flask(__name__)


@app.get("/")
def nothing() -> Response:
    """Answer 200."""
    return jsonify({})


@app.post("/api/usage/record")
def record() -> tuple[Response, int]:
    """Answer 202 with the event's own key."""
    return jsonify({"id": request.get_json()["idempotencyKey"], "status": "accepted"}), 202

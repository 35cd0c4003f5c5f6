"""The function image http-python: HTTP and CloudEvents with functions-framework."""

import functions_framework
from cloudevents.exceptions import GenericException
from cloudevents.http import CloudEvent, from_http, to_binary


@functions_framework.http
def handle(request):
    """GET /hello greets, POST /upper answers JSON with its text in capitals, POST / takes a CloudEvent and answers with one."""
    match request.method, request.path:
        case "GET", "/hello":
            name = request.args.get("name", "world")
            headers = {"Content-Type": "text/plain; charset=utf-8", "X-Id": request.headers.get("X-Id", "")}
            return f"Hello, {name}!\n", 200, headers
        case "POST", "/upper":
            asked = request.get_json(silent=True)
            if not isinstance(asked, dict) or not isinstance(asked.get("text"), str):
                return {"error": "the body must be JSON with a text"}, 400
            return {"text": asked["text"].upper(), "length": len(asked["text"])}
        case "POST", "/":
            return take(request)
        case method, path:
            return {"error": f"there is no {method} {path}"}, 404


def take(request):
    """The event that says an event was taken: in headers (binary mode), whatever mode it came in."""
    try:
        event = from_http(request.headers, request.get_data())
    except GenericException as error:
        return {"error": f"this is no CloudEvent: {error}"}, 400
    attributes = {
        "id": f"{event['id']}-taken",
        "type": "futon.taken",
        "source": "http-python",
        "datacontenttype": "application/json",
    }
    headers, body = to_binary(CloudEvent(attributes, {"id": event["id"], "type": event["type"], "data": event.data}))
    return body, 200, headers

"""The function image lambda-python: a handler as AWS Lambda calls it."""


def handle(event, context):
    """Adds up event["numbers"]; an event without them is an error of the function."""
    numbers = event["numbers"]
    print(f"adding {len(numbers)} numbers", flush=True)
    return {"sum": sum(numbers), "request": context.aws_request_id, "function": context.function_name}

"""The function image auth-python: an authoriser that answers a token with a policy."""

import serve

# A pattern, not a template: its braces are part of the reply.
RESOURCE = (
    "arn:aws:execute-api:{regionId}:{accountId}:{apiId}/{stage}/{httpVerb}/[{resource}/[{child-resources}]]"
)


class Empty:
    """A bare object. The reply shows its address, so clients know its class name."""


def policy(effect):
    statement = Empty()
    statement.Action = "execute-api:Invoke"
    statement.Effect = effect
    statement.Resource = RESOURCE
    document = Empty()
    document.Version = "2012-10-17"
    document.Statement = [statement]
    return {
        "principalId": "user",
        "policyDocument": document,
        "context": {"stringKey": "stringval", "numberKey": 123, "booleanKey": True},
    }


def answer(token):
    # A token counts where it holds the word: so do this function's originals.
    if "allow" in token:
        granted = policy("Allow")
    elif "deny" in token:
        granted = policy("Deny")
    else:
        return "Unauthorized"
    return f"fn: Auth | token: {token} | resp: {granted} | runtime: python"


if __name__ == "__main__":
    serve.run(serve.flags().parse_args(), "auth-python", "auth.Greeter", "SayHello", answer)

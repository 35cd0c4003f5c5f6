// Command auth-go is the function image auth-go: an authoriser that answers a token with a policy.
package main

import (
	"context"
	"flag"
	"fmt"

	"futon.invalid/functions/internal/serve"
)

// resource is a pattern, not a template: its braces are part of the reply.
const resource = "arn:aws:execute-api:{regionId}:{accountId}:{apiId}/{stage}/{httpVerb}/[{resource}/[{child-resources}]]"

// The field names appear in the reply (%+v), hence their spelling.
type policy struct {
	principalId    string
	policyDocument document
	context        extras
}

type document struct {
	Version   string
	Statement []statement
}

type statement struct {
	Action   string
	Effect   string
	Resource string
}

type extras struct {
	stringKey  string
	numberKey  int
	booleanKey bool
}

func main() {
	addr := flag.String("addr", "0.0.0.0:50051", "address to listen on, HOST:PORT")
	flag.Parse()
	serve.Exit(serve.Run(*addr, serve.Function{
		Name: "auth-go", Service: "auth.Greeter", Method: "SayHello",
		Answer: func(_ context.Context, token string) (string, error) {
			return fmt.Sprintf("fn: Auth | token: %s | resp: %s | runtime: golang", token, decide(token)), nil
		},
	}))
}

func decide(token string) string {
	switch token {
	case "allow":
		return grant("Allow")
	case "deny":
		return grant("Deny")
	case "unauthorized":
		return "Unauthorized"
	default:
		return "Error: Invalid token"
	}
}

func grant(effect string) string {
	return fmt.Sprintf("%+v", policy{
		principalId: "user",
		policyDocument: document{
			Version:   "2012-10-17",
			Statement: []statement{{Action: "execute-api:Invoke", Effect: effect, Resource: resource}},
		},
		context: extras{stringKey: "stringval", numberKey: 123, booleanKey: true},
	})
}

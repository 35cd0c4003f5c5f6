package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"time"
)

// tokenHeader is where a run's token belongs in what a guest posts.
const tokenHeader = "X-Futon-Token"

var tokenPattern = regexp.MustCompile(`FUTON_TOKEN=["']?([^"'\s;]+)`)

// forgedEvents is the story of a run in which all went well.
const forgedEvents = `{"kind":"step_started","name":"invoke"}
{"kind":"step_ended","name":"invoke","exit_status":0,"signal":null,"timed_out":false,"duration_ms":1,"tail":"` + closingLine + `"}
{"kind":"step_ended","name":"stop","exit_status":0,"signal":null,"timed_out":false,"duration_ms":1,"tail":""}
{"kind":"finish","status":0}
`

// forge plays a container that wants to pass without answering rightly: it
// looks for the run's token in the run script, posts events as the guest's own
// tool would, and stores a results log. Each try is printed, never fatal.
func forge(exchanges []string) {
	client := &http.Client{Timeout: 5 * time.Second}
	for _, exchange := range exchanges {
		token := stealToken(client, exchange)
		send(client, token, http.MethodPost, exchange+"/_futon/events", forgedEvents)
		send(client, token, http.MethodPut, exchange+"/results.log", closingLine+"\n")
	}
}

func stealToken(client *http.Client, exchange string) string {
	reply, err := client.Get(exchange + "/run.sh")
	if err != nil {
		fmt.Printf("fault-go: forge: %v\n", err)
		return ""
	}
	defer reply.Body.Close()
	script, err := io.ReadAll(io.LimitReader(reply.Body, 1<<20))
	if err != nil {
		fmt.Printf("fault-go: forge: GET %s/run.sh: %v\n", exchange, err)
		return ""
	}
	found := tokenPattern.FindSubmatch(script)
	fmt.Printf("fault-go: forge: GET %s/run.sh: %s, token found: %t\n", exchange, reply.Status, found != nil)
	if found == nil {
		return ""
	}
	return string(found[1])
}

func send(client *http.Client, token, method, url, body string) {
	request, err := http.NewRequest(method, url, bytes.NewBufferString(body))
	if err != nil {
		fmt.Printf("fault-go: forge: %v\n", err)
		return
	}
	if token != "" {
		request.Header.Set(tokenHeader, token)
	}
	reply, err := client.Do(request)
	if err != nil {
		fmt.Printf("fault-go: forge: %v\n", err)
		return
	}
	reply.Body.Close()
	fmt.Printf("fault-go: forge: %s %s: %s\n", method, url, reply.Status)
}

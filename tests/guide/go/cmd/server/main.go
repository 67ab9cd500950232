// A web server to build with the guide's multi-stage Dockerfile; it needs the standard library alone.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/", func(answer http.ResponseWriter, request *http.Request) {
		fmt.Fprintf(answer, "hello from uid %d\n", os.Getuid())
	})
	http.HandleFunc("/health", func(answer http.ResponseWriter, request *http.Request) {
		fmt.Fprintln(answer, "ok")
	})
	log.Println("listening on :8080")
	log.Fatal(http.ListenAndServe(":8080", nil))
}

// Command aes-go is the function image aes-go: AES-128 in counter mode.
package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"flag"
	"fmt"

	"futon.invalid/functions/internal/serve"
)

func main() {
	addr := flag.String("addr", "0.0.0.0:50051", "address to listen on, HOST:PORT")
	key := flag.String("key", "6368616e676520746869732070617373", "key, in hexadecimal")
	standIn := flag.String("default-plaintext", "defaultplaintext", "text encrypted when the request is empty or \"world\"")
	flag.Parse()

	block, err := newCipher(*key)
	if err != nil {
		serve.Exit(fmt.Errorf("aes-go: -key: %w", err))
	}
	serve.Exit(serve.Run(*addr, serve.Function{
		Name: "aes-go", Service: "aes.Aes", Method: "ShowEncryption",
		Answer: func(_ context.Context, text string) (string, error) {
			if text == "" || text == "world" {
				text = *standIn
			}
			return fmt.Sprintf("fn: AES | plaintext: %s | ciphertext: %x | runtime: golang", text, encrypt(block, text)), nil
		},
	}))
}

func newCipher(key string) (cipher.Block, error) {
	bytes, err := hex.DecodeString(key)
	if err != nil {
		return nil, err
	}
	return aes.NewCipher(bytes)
}

// encrypt starts each text at counter 0, so equal texts give equal ciphertexts:
// right for a benchmark's reply, never for a secret.
func encrypt(block cipher.Block, text string) []byte {
	out := make([]byte, len(text))
	cipher.NewCTR(block, make([]byte, block.BlockSize())).XORKeyStream(out, []byte(text))
	return out
}

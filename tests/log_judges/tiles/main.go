// Reads a log with Go's own packages for notes and trees, over HTTPS, and judges by them whatever the service says.
//
//	tiles BASE VKEY CA AUTHORIZATION [OLD-CHECKPOINT ...]
//
// BASE is the log's prefix, VKEY its verifier key, CA and AUTHORIZATION files, OLD-CHECKPOINT files with checkpoints that
// were served before. It goes through every tile and entry, and through the proofs that the service makes; the first
// thing that Go's packages refuse ends it with status 1. At the end it prints the size of the log.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height = 8
	width  = 1 << height
)

// A log of C2SP tlog-tiles, whose paths differ from those of Go's checksum database.
type log struct {
	base, authorization string
	client              *http.Client
}

func open(base, ca, authorization string) (*log, error) {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	credentials, err := os.ReadFile(authorization)
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(pem) {
		return nil, errors.New("no CA in " + ca)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}
	return &log{base, strings.TrimSpace(string(credentials)), &http.Client{Transport: transport}}, nil
}

func (l *log) get(path string) ([]byte, error) {
	request, err := http.NewRequest("GET", l.base+"/"+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", l.authorization)
	answer, err := l.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: status %d", path, answer.StatusCode)
	}
	return body, err
}

func path(tile tlog.Tile) string {
	written := strings.TrimPrefix(tile.Path(), "tile/"+strconv.Itoa(height)+"/")
	return "tile/" + strings.Replace(written, "data/", "entries/", 1)
}

func (l *log) Height() int { return height }

func (l *log) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		content, err := l.get(path(tile))
		if err != nil {
			return nil, err
		}
		all = append(all, content)
	}
	return all, nil
}

func (l *log) SaveTiles([]tlog.Tile, [][]byte) {}

func tree(signed []byte, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() || lines[3] != "" {
		return tlog.Tree{}, fmt.Errorf("a checkpoint of %q", lines)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize || size < 0 {
		return tlog.Tree{}, fmt.Errorf("a checkpoint of %q", lines)
	}
	found := tlog.Tree{N: size}
	copy(found.Hash[:], root)
	return found, nil
}

// The hashes of all entries, each against its tile, and each tile against the root.
func entries(l *log, whole tlog.Tree, hashes tlog.HashReader) ([]tlog.Hash, error) {
	var all []tlog.Hash
	for first := int64(0); first < whole.N; first += width {
		tile := tlog.Tile{H: height, L: -1, N: first / width, W: width}
		if left := whole.N - first; left < width {
			tile.W = int(left)
		}
		bundle, err := l.get(path(tile))
		if err != nil {
			return nil, err
		}
		var indexes []int64
		for i := 0; i < tile.W; i++ {
			indexes = append(indexes, tlog.StoredHashIndex(0, first+int64(i)))
		}
		expected, err := hashes.ReadHashes(indexes)
		if err != nil {
			return nil, err
		}
		for i, hash := range expected {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				return nil, fmt.Errorf("%s ends at entry %d", path(tile), i)
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			if tlog.RecordHash(bundle[2:end]) != hash {
				return nil, fmt.Errorf("entry %d is another than its tile says", first+int64(i))
			}
			bundle = bundle[end:]
		}
		if len(bundle) > 0 {
			return nil, fmt.Errorf("%s goes on after its last entry", path(tile))
		}
		all = append(all, expected...)
	}
	return all, nil
}

type told struct {
	Size   int64
	Root   string
	Hashes []string
}

// The proof that the service makes, as Go's packages have it.
func (l *log) proof(query string) (told, []tlog.Hash, error) {
	var document told
	content, err := l.get("proof?" + query)
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(content)).Decode(&document)
	}
	var path []tlog.Hash
	for _, text := range document.Hashes {
		var hash tlog.Hash
		if n, problem := hex.Decode(hash[:], []byte(text)); problem != nil || n != tlog.HashSize {
			err = fmt.Errorf("proof?%s: the hash %q", query, text)
		}
		path = append(path, hash)
	}
	return document, path, err
}

func inclusion(l *log, whole tlog.Tree, hashes tlog.HashReader, leaves []tlog.Hash) error {
	for _, index := range []int64{0, 1, whole.N / 2, 254, 255, 256, 257, whole.N - 1} {
		if index >= whole.N {
			continue
		}
		made, err := tlog.ProveRecord(whole.N, index, hashes)
		if err != nil {
			return err
		}
		_, path, err := l.proof(fmt.Sprintf("index=%d&size=%d", index, whole.N))
		if err != nil {
			return err
		}
		for _, proof := range []tlog.RecordProof{made, path} {
			if err := tlog.CheckRecord(proof, whole.N, whole.Hash, index, leaves[index]); err != nil {
				return fmt.Errorf("leaf %d in size %d: %v", index, whole.N, err)
			}
		}
	}
	return nil
}

func growth(l *log, whole, old tlog.Tree, hashes tlog.HashReader) error {
	if old.N > whole.N {
		return fmt.Errorf("the size went from %d to %d", old.N, whole.N)
	}
	made, err := tlog.ProveTree(whole.N, old.N, hashes)
	if err != nil {
		return err
	}
	_, path, err := l.proof(fmt.Sprintf("from=%d&to=%d", old.N, whole.N))
	if err != nil {
		return err
	}
	for _, proof := range []tlog.TreeProof{made, path} {
		if err := tlog.CheckTree(proof, whole.N, whole.Hash, old.N, old.Hash); err != nil {
			return fmt.Errorf("from %d to %d: %v", old.N, whole.N, err)
		}
	}
	return nil
}

func judge(base, vkey, ca, authorization string, older []string) (int64, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return 0, err
	}
	l, err := open(base, ca, authorization)
	if err != nil {
		return 0, err
	}
	signed, err := l.get("checkpoint")
	if err != nil {
		return 0, err
	}
	whole, err := tree(signed, verifier)
	if err != nil {
		return 0, err
	}
	hashes := tlog.TileHashReader(whole, l)
	leaves, err := entries(l, whole, hashes)
	if err != nil {
		return 0, err
	}
	if err := inclusion(l, whole, hashes, leaves); err != nil {
		return 0, err
	}
	for _, name := range older {
		content, err := os.ReadFile(name)
		if err != nil {
			return 0, err
		}
		old, err := tree(content, verifier)
		if err != nil {
			return 0, err
		}
		if err := growth(l, whole, old, hashes); err != nil {
			return 0, err
		}
	}
	return whole.N, nil
}

func main() {
	if len(os.Args) < 5 {
		fmt.Fprintln(os.Stderr, "usage: tiles BASE VKEY CA AUTHORIZATION [OLD-CHECKPOINT ...]")
		os.Exit(2)
	}
	size, err := judge(os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5:])
	if err != nil {
		fmt.Println("refused:", err)
		os.Exit(1)
	}
	fmt.Println("size", size)
}

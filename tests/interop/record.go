// record checks an exported record with golang.org/x/mod's sumdb/note and sumdb/tlog, the code of Go's checksum database, which
// knows nothing of us:
//
//	record tiles FOLDER VKEY               every note opens, every tile and root is what its entries fold to, notes continue one another
//	record proof VKEY FILE...              each tlog-proof (https://c2sp.org/tlog-proof) leads to the root its note signs
//	record cosigned NOTE VKEY WITNESS-VKEY  the witness cosigned it (https://c2sp.org/tlog-cosignature)
//
// Says what is good in one line; or what is not, and exits 1. Keys are texts, not files.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const tileHeight = 8

// hashes is all of a tree, as tlog numbers its stored hashes.
type hashes []tlog.Hash

func (all hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var got []tlog.Hash
	for _, i := range indexes {
		if i >= int64(len(all)) {
			return nil, fmt.Errorf("hash %d is past the end", i)
		}
		got = append(got, all[i])
	}
	return got, nil
}

// checkpoint opens a note and reads its text (https://c2sp.org/tlog-checkpoint).
func checkpoint(text []byte, by ...note.Verifier) (tlog.Tree, error) {
	var tree tlog.Tree
	n, err := note.Open(text, note.VerifierList(by...))
	if err != nil {
		return tree, err
	}
	if len(n.Sigs) != len(by) {
		return tree, fmt.Errorf("%d signatures of %d", len(n.Sigs), len(by))
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) < 4 || lines[0] != by[0].Name() {
		return tree, fmt.Errorf("not a checkpoint of %s", by[0].Name())
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return tree, err
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return tree, err
}

// tilePath is tlog's path without the height, as C2SP has it, below `kind` (a level, or "entries").
func tilePath(kind string, n int64, width int) string {
	path := tlog.Tile{H: tileHeight, L: 0, N: n, W: width}.Path()
	return filepath.Join("tile", kind, strings.TrimPrefix(path, fmt.Sprintf("tile/%d/0/", tileHeight)))
}

func readEntries(folder string, size int64) (hashes, error) {
	var all hashes
	for n := int64(0); n<<tileHeight < size; n++ {
		width := size - n<<tileHeight
		if width > 1<<tileHeight {
			width = 1 << tileHeight
		}
		raw, err := os.ReadFile(filepath.Join(folder, tilePath("entries", n, int(width))))
		if err != nil {
			return nil, err
		}
		for i := n << tileHeight; i < n<<tileHeight+width; i++ {
			if len(raw) < 2 || len(raw)-2 < int(binary.BigEndian.Uint16(raw)) {
				return nil, fmt.Errorf("entry %d is cut off", i)
			}
			length := binary.BigEndian.Uint16(raw)
			more, err := tlog.StoredHashes(i, raw[2:2+length], all)
			if err != nil {
				return nil, err
			}
			all, raw = append(all, more...), raw[2+length:]
		}
		if len(raw) > 0 {
			return nil, fmt.Errorf("bundle %d goes on after its entries", n)
		}
	}
	return all, nil
}

func checkTiles(folder string, size int64, all hashes) (int, error) {
	tiles := tlog.NewTiles(tileHeight, 0, size)
	checked := 0
	for i, t := range tiles {
		if i+1 < len(tiles) && tiles[i+1].L == t.L && tiles[i+1].N == t.N {
			continue // a narrower one of the same place, as smaller trees had it
		}
		want, err := tlog.ReadTileData(t, all)
		if err != nil {
			return 0, err
		}
		path := filepath.Join(folder, tilePath(strconv.Itoa(t.L), t.N, t.W))
		if raw, err := os.ReadFile(path); err != nil || !bytes.Equal(raw, want) {
			return 0, fmt.Errorf("%s is not what its entries fold to (%v)", path, err)
		}
		checked++
	}
	return checked, nil
}

func checkNotes(folder string, all hashes, log note.Verifier) (int, error) {
	var last tlog.Tree
	for n := 0; ; n++ {
		path := strings.TrimPrefix(tilePath("entries", int64(n), 1<<tileHeight), "tile/entries/")
		text, err := os.ReadFile(filepath.Join(folder, "notes", path))
		if os.IsNotExist(err) {
			return n, nil
		} else if err != nil {
			return 0, err
		}
		tree, err := checkpoint(text, log)
		if err != nil {
			return 0, fmt.Errorf("note %d: %w", n, err)
		}
		root, err := tlog.TreeHash(tree.N, all)
		if err != nil || root != tree.Hash {
			return 0, fmt.Errorf("note %d: another root over %d entries (%v)", n, tree.N, err)
		}
		if n > 0 {
			proof, err := tlog.ProveTree(tree.N, last.N, all)
			if err != nil {
				return 0, fmt.Errorf("note %d: %w", n, err)
			}
			if err := tlog.CheckTree(proof, tree.N, tree.Hash, last.N, last.Hash); err != nil {
				return 0, fmt.Errorf("note %d does not continue the one before: %w", n, err)
			}
		}
		last = tree
	}
}

func tiles(folder string, log note.Verifier) (string, error) {
	text, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	if err != nil {
		return "", err
	}
	tree, err := checkpoint(text, log)
	if err != nil {
		return "", err
	}
	all, err := readEntries(folder, tree.N)
	if err != nil {
		return "", err
	}
	if root, err := tlog.TreeHash(tree.N, all); err != nil || root != tree.Hash {
		return "", fmt.Errorf("the entries do not fold to the signed root (%v)", err)
	}
	count, err := checkTiles(folder, tree.N, all)
	if err != nil {
		return "", err
	}
	notes, err := checkNotes(folder, all, log)
	return fmt.Sprintf("%d entries, %d tiles and %d notes are good", tree.N, count, notes), err
}

// proof checks a tlog-proof: a head of lines, the hashes, an empty line, the note.
func proof(text []byte, log note.Verifier) error {
	head, signed, found := strings.Cut(string(text), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return fmt.Errorf("not a tlog-proof")
	}
	extra, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	if err != nil || len(extra) < 33 {
		return fmt.Errorf("no extra data")
	}
	entry := extra[1:] // the entry alone, or behind the key that opens it
	if extra[0] != 1 {
		entry = extra[33:]
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	if err != nil {
		return err
	}
	var path tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		path = append(path, hash)
	}
	tree, err := checkpoint([]byte(signed), log)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(path, tree.N, tree.Hash, index, tlog.RecordHash(entry))
}

func proofs(files []string, log note.Verifier) (string, error) {
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil {
			err = proof(text, log)
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", file, err)
		}
	}
	return fmt.Sprintf("%d proofs are good", len(files)), nil
}

// witness is a verifier of the one type that note does not know: 0x04, a signature over a time and the note's text.
type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (w witness) Name() string    { return w.name }
func (w witness) KeyHash() uint32 { return w.hash }
func (w witness) Verify(text, sig []byte) bool {
	return len(sig) == 8+ed25519.SignatureSize && ed25519.Verify(w.key,
		[]byte(fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(sig), text)), sig[8:])
}

func newWitness(vkey string) (note.Verifier, error) {
	parts := strings.SplitN(strings.TrimSpace(vkey), "+", 3)
	if len(parts) != 3 {
		return nil, fmt.Errorf("not a witness's key")
	}
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(raw) != 1+ed25519.PublicKeySize || raw[0] != 4 {
		return nil, fmt.Errorf("not a witness's key")
	}
	id := sha256.Sum256(append([]byte(parts[0]+"\n"), raw...))
	return witness{parts[0], binary.BigEndian.Uint32(id[:]), raw[1:]}, nil
}

func cosigned(path string, log note.Verifier, vkey string) (string, error) {
	by, err := newWitness(vkey)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	tree, err := checkpoint(text, log, by)
	return fmt.Sprintf("%d entries are cosigned by %s", tree.N, by.Name()), err
}

func run(verb string, words []string) (string, error) {
	at := map[string]int{"tiles": 1, "proof": 0, "cosigned": 1}[verb]
	log, err := note.NewVerifier(strings.TrimSpace(words[at]))
	if err != nil {
		return "", err
	}
	switch verb {
	case "tiles":
		return tiles(words[0], log)
	case "proof":
		return proofs(words[1:], log)
	case "cosigned":
		return cosigned(words[0], log, words[2])
	}
	return "", fmt.Errorf("tiles, proof or cosigned")
}

func main() {
	said, err := run(os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(said)
}

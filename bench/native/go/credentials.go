package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const ticketLife = 30 * time.Second

var (
	secret = []byte(os.Getenv("JWT_SECRET"))
	parser = jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired())
	// Only hashes are kept: who reads this memory holds no ticket.
	tickets = store{records: map[[sha256.Size]byte]record{}}
)

// verify returns the subject of a good JWT, and when it expires.
func verify(token string) (string, time.Time, error) {
	claims := jwt.RegisteredClaims{}
	_, err := parser.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return secret, nil })
	if err != nil {
		return "", time.Time{}, err
	}
	if claims.Subject == "" {
		return "", time.Time{}, errors.New("no subject")
	}
	return claims.Subject, claims.ExpiresAt.Time, nil
}

type record struct {
	subject string
	expires time.Time
}

type store struct {
	lock    sync.Mutex
	records map[[sha256.Size]byte]record
}

func (s *store) issue(subject string) string {
	bytes := make([]byte, 32)
	rand.Read(bytes)
	ticket := base64.RawURLEncoding.EncodeToString(bytes)
	hash := sha256.Sum256([]byte(ticket))
	s.lock.Lock()
	defer s.lock.Unlock()
	s.records[hash] = record{subject, time.Now().Add(ticketLife)}
	return ticket
}

// redeem uses a ticket up.
func (s *store) redeem(ticket string) (string, bool) {
	hash := sha256.Sum256([]byte(ticket))
	s.lock.Lock()
	defer s.lock.Unlock()
	found, known := s.records[hash]
	delete(s.records, hash)
	return found.subject, known && time.Now().Before(found.expires)
}

// sweep drops tickets that nobody came for.
func (s *store) sweep() {
	s.lock.Lock()
	defer s.lock.Unlock()
	now := time.Now()
	for hash, found := range s.records {
		if now.After(found.expires) {
			delete(s.records, hash)
		}
	}
}

func init() {
	go func() {
		for range time.Tick(ticketLife / 2) {
			tickets.sweep()
		}
	}()
}

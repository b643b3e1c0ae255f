// A server with the two doors of Airlock, for comparison: a ticket for the upgrade, a JWT in the first frame.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
)

const authTimeout = 5 * time.Second

var (
	allowedOrigin = os.Getenv("ALLOWED_ORIGIN")
	clients       = hub{members: map[*client]struct{}{}}
	upgrader      = websocket.Upgrader{
		Subprotocols: []string{"airlock.v1"},
		CheckOrigin:  func(request *http.Request) bool { return request.Header.Get("Origin") == allowedOrigin },
	}
)

// issue answers a client with a good JWT with a ticket.
func issue(response http.ResponseWriter, request *http.Request) {
	token, bearer := strings.CutPrefix(request.Header.Get("Authorization"), "Bearer ")
	subject, _, err := verify(token)
	if !bearer || err != nil {
		http.Error(response, "Unauthorized", http.StatusUnauthorized)
		return
	}
	body, _ := json.Marshal(map[string]any{"ticket": tickets.issue(subject), "expiresIn": 30, "protocol": "airlock.v1"})
	response.Header().Set("Content-Type", "application/json")
	response.Header().Set("Cache-Control", "no-store")
	response.WriteHeader(http.StatusCreated)
	response.Write(body)
}

// enter lets a client in through both doors and passes its messages on.
func enter(response http.ResponseWriter, request *http.Request) {
	if request.Header.Get("Origin") != allowedOrigin {
		refuse(response, http.StatusForbidden)
		return
	}
	subject, admitted := tickets.redeem(ticketOf(request))
	if !admitted {
		refuse(response, http.StatusUnauthorized)
		return
	}
	socket, err := upgrader.Upgrade(response, request, nil)
	if err != nil {
		return
	}
	defer socket.Close()
	socket.SetReadLimit(64 * 1024)
	socket.SetReadDeadline(time.Now().Add(authTimeout))
	var frame struct{ Type, Token string }
	if err := socket.ReadJSON(&frame); err != nil {
		return
	}
	named, expires, err := verify(frame.Token)
	if frame.Type != "auth" || err != nil || named != subject {
		socket.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4401, "token invalid"), time.Now().Add(time.Second))
		return
	}
	socket.SetReadDeadline(expires)
	self := &client{socket: socket}
	self.write(map[string]any{"type": "auth_ok", "user": map[string]string{"id": subject}, "expiresAt": expires.UnixMilli()})
	clients.add(self)
	defer clients.remove(self)
	for {
		_, data, err := socket.ReadMessage()
		if err != nil {
			return
		}
		clients.broadcast(map[string]string{"from": subject, "text": string(data)})
	}
}

func ticketOf(request *http.Request) string {
	for _, protocol := range websocket.Subprotocols(request) {
		if ticket, found := strings.CutPrefix(protocol, "ticket."); found {
			return ticket
		}
	}
	return ""
}

func refuse(response http.ResponseWriter, status int) {
	response.Header().Set("Connection", "close")
	response.WriteHeader(status)
}

// usage tells how many microseconds of CPU this process has used.
func usage(response http.ResponseWriter, _ *http.Request) {
	var all syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &all)
	fmt.Fprint(response, (all.Utime.Nano()+all.Stime.Nano())/1000)
}

type client struct {
	socket *websocket.Conn
	lock   sync.Mutex
}

func (c *client) write(message any) {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.socket.WriteJSON(message)
}

type hub struct {
	lock    sync.RWMutex
	members map[*client]struct{}
}

func (h *hub) add(c *client) {
	h.lock.Lock()
	defer h.lock.Unlock()
	h.members[c] = struct{}{}
}

func (h *hub) remove(c *client) {
	h.lock.Lock()
	defer h.lock.Unlock()
	delete(h.members, c)
}

func (h *hub) broadcast(message any) {
	h.lock.RLock()
	defer h.lock.RUnlock()
	for member := range h.members {
		member.write(message)
	}
}

func main() {
	http.HandleFunc("POST /ws/ticket", issue)
	http.HandleFunc("GET /ws", enter)
	http.HandleFunc("GET /room", enter)
	http.HandleFunc("GET /bench/cpu", usage)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	panic((&http.Server{ReadHeaderTimeout: 10 * time.Second}).Serve(listener))
}

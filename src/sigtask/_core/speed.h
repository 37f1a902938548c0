/* What the parts of the C twin share. */

#ifndef SIGTASK_SPEED_H
#define SIGTASK_SPEED_H

#include <Python.h>
#include <stddef.h>
#include <structmember.h>

#if PY_VERSION_HEX < 0x030C0000
#  define Py_T_OBJECT_EX T_OBJECT_EX
#  define Py_READONLY READONLY
#endif

/* What the C twin knows by name of the Python that it is a part of: `bind` is given all of it (`speed.c`). */
#define SIGTASK_BOUND(X)                                                                                               \
    X(fresh)          /* task.FreshTask */                                                                             \
    X(full)           /* task.Task */                                                                                  \
    X(signal)         /* signals.Signal */                                                                             \
    X(cancelled)      /* asyncio.CancelledError */                                                                     \
    X(watchers)       /* delivery.watchers */                                                                          \
    X(history)        /* delivery.History */                                                                           \
    X(current_task)   /* loop -> the task that it runs, or None */                                                     \
    X(running_loop)   /* asyncio's */                                                                                  \
    X(iscoroutine)    /* asyncio's */                                                                                  \
    X(monotonic)      /* time.monotonic */                                                                             \
    X(adopt)          /* task.adopt, for a task whose parent is one of ours that has met a signal */                   \
    X(note_stock_parent) /* family.note_stock_parent */                                                               \
    X(cancel)         /* Task.cancel, _receive, uncancel, result: for what does not go the straight way */             \
    X(send_signal)                                                                                                     \
    X(receive)                                                                                                         \
    X(uncancel)                                                                                                        \
    X(claim)          /* raises what Task.result raises, for this error of asyncio's */                                \
    X(throw)          /* Shim.throw, likewise */                                                                       \
    X(addressed)      /* Signal.addressed, likewise */                                                                 \
    X(free)           /* flight.free */                                                                                \
    X(Drain)          /* signals.Drain and so on */                                                                    \
    X(Interrupt)                                                                                                       \
    X(Terminate)                                                                                                       \
    X(Kill)                                                                                                            \
    X(refused)        /* the fates */                                                                                  \
    X(pending)                                                                                                         \
    X(superseded)                                                                                                      \
    X(in_flight)                                                                                                       \
    X(delivered)

typedef struct {
    PyTypeObject *shim_type;
    PyTypeObject *kin_type;
    PyTypeObject *inbox_type;
    PyTypeObject *delivery_type;
    PyTypeObject *addressee_type;
    PyTypeObject *roll_type;
    PyTypeObject *block_type;
    initproc init;      /* asyncio's own, of its C task */
    PyMethodDef *stock; /* asyncio's own `cancel`, of its C task */
    PyObject *stock_done, *stock_get_loop, *stock_get_name, *stock_cancelling, *stock_uncancel, *stock_result;
    PyObject *no_args;  /* () */
    PyObject *loop_name, *throw_name, *running_name, *level_name, *get_name_name, *signal_name;
    PyObject *qualname_name, *callback_name, *context_names, *frame_name, *await_name, *raise_name, *class_name;
    PyObject *accept, *mask, *catch, *unused, *open, *closed;                              /* of blocks, by bind_blocks() */
    PyObject *row, *frame_place, *is_the_users, *is_leaf, *leaf, *running_text, *zero; /* of `_stop`, by bind_roll() */
    long interrupt_level, kill_level, history_limit;
    int is_bound;
#define X(name) PyObject *name;
    SIGTASK_BOUND(X)
#undef X
} State;

/* Who spawned a task, and whom it spawned: plain pointers that own nothing (`speed_kin.c`). */
typedef struct {
    PyObject *parent;
    PyObject *first;
    PyObject *next;
    PyObject *prev;
} Links;

/* What stands between a task and its coroutine (`speed_shim.c`). Both the task's own base and `Kin` have it. */
typedef struct {
    PyObject_HEAD
    PyObject *coro;  /* NULL only after tp_clear */
    PyObject *inbox; /* the task's, from the first signal or block on; else NULL */
    Links links;     /* the task's, kept here because this has to be so long (`shim.BLANK`) */
#if PY_VERSION_HEX >= 0x030E0000
    void *filling;
    void *code; /* NULL: to who reads this from outside as a coroutine, one without code */
#endif
} Shim;

/* One signal that was sent to one task; delivery.Delivery says what each of these is. NULL is None, or empty. */
typedef struct {
    PyObject_HEAD
    PyObject *given, *level, *to, *host, *sender, *sent_at, *fate, *inside, *thrown, *copy;
    PyObject *caught_at;   /* where, or the code in which it was caught; then `caught_lasti` says at which instruction */
    PyObject *below; /* a list or a tuple, or the one Delivery that would be in it */
    int number, requests, refused, caught_lasti;
    char taken_back;
} Delivery;

/* delivery.Addressee. The name of a task that was given none is made when somebody asks for it; the last to ask is the
 * task itself, when it goes and somebody still has this. */
typedef struct {
    PyObject_HEAD
    PyObject *task; /* borrowed; NULL when it is gone, or goes */
    PyObject *name;
} Addressee;

/* What one task knows about its signals; inbox.Inbox says what each of these is. NULL is None, or empty. */
typedef struct {
    PyObject_HEAD
    PyObject *weakrefs;
    PyObject *task, *pending, *flying, *again, *plain_msg, *plain_thrown, *plain_under, *cause, *caused, *blocks, *covers;
    PyObject *doom, *waiters, *stops, *outside, *unclaimed, *ended, *end;
    Addressee *address;  /* of the task; it stands for a weak reference to it. NULL where Python has made the inbox */
    PyObject *history;   /* a History, or the one Delivery that would be in it */
    PyObject *delivered; /* a tuple, or the one Delivery that would be in it */
    int missed, weight, landed, owed, plain_held, waits;
    char send; /* of the shim: `Shim.send` */
    char looking, plain_below, cause_is_due, nudged, end_is_known, end_is_shown, abandoned;
} Inbox;

/* What asyncio's send comes to, instead of the coroutine's own: a method of the shim, while a signal is in flight. */
enum { OWN_SEND, RESUMING, BORN_KILLED };

extern PyType_Spec sigtask_inbox_spec, sigtask_delivery_spec, sigtask_addressee_spec, sigtask_shim_spec;

/* The inbox of this task has one by now; -1 with an exception. */
int sigtask_note_address(State *state, Inbox *inbox, PyObject *task);

/* Whether a task does that when it goes: not one of a class with a `__del__` of its own. */
int sigtask_tells_its_name(PyObject *task);

/* A task goes: whoever has its Addressee is to have the name. */
void sigtask_note_name(State *state, PyObject *task, Inbox *inbox);

#define IS(object) ((object) != NULL && (object) != Py_None)

/* An inbox for this task, and a delivery, as their Python twins make them. The garbage collector does not track them until
 * somebody else gets hold of them: until then an inbox is a part of its shim, and a delivery one of its inbox. NULL with an
 * exception. */
Inbox *sigtask_inbox_new(State *state, PyObject *task);
Delivery *sigtask_delivery_new(State *state, Inbox *inbox, PyObject *given);

/* History.add */
int sigtask_remember(State *state, Inbox *inbox, Delivery *delivery);

/* Python gets hold of it: from now on it is tracked, with its deliveries. A new reference. */
PyObject *sigtask_expose(PyObject *inbox);

/* Somebody besides its inbox gets hold of a delivery: from now on it is tracked. */
void sigtask_track(PyObject *delivery);

/* What is in a delivery; whether something is one. */
int sigtask_delivery_visit(PyObject *delivery, visitproc visit, void *arg);
int sigtask_is_delivery(PyObject *value);
int sigtask_is_inbox(PyObject *value);

/* A weak reference to its task; of one that is gone, what gives None, too. */
PyObject *sigtask_ref_to(Addressee *address);

/* The shim's traverse, of an inbox that is not tracked. */
int sigtask_inbox_traverse(PyObject *inbox, visitproc visit, void *arg);

/* Where the slots of a Signal lie, in every class derived from it, and in every interpreter of the process. */
typedef struct {
    Py_ssize_t reason, sender, sent_at, origin, target, shown, size;
} Slots;
extern Slots sigtask_slots;
#define SLOT(object, at) (*(PyObject **)((char *)(object) + (at)))
int sigtask_find_slots(State *state);

/* The caller's own signal, of which this is a copy. Borrowed. */
PyObject *sigtask_origin(PyObject *signal);

/* Signal.copy */
PyObject *sigtask_copy(State *state, PyObject *signal);

/* A copy of the signal as it came to the task. */
PyObject *sigtask_copy_of(State *state, Delivery *delivery);

/* Whether the task has changed nothing in the copy of its signal that it got: delivery.is_as_it_came. */
int sigtask_is_as_it_came(PyObject *signal, Delivery *delivery);

/* Delivery.fresh: a copy to be thrown. */
PyObject *sigtask_fresh(State *state, Delivery *delivery);

/* Signal.__init__, as a descriptor. */
PyObject *sigtask_signal_init(State *state);

/* The inbox of a task that has a shim, or NULL; and the same, made if there is none. Borrowed. */
Inbox *sigtask_inbox_of(PyObject *task);
Inbox *sigtask_mailbox(State *state, PyObject *task);
Shim *sigtask_shim_of(PyObject *task);

/* Receiver._receive: gives the fate, borrowed; NULL with an exception. `sender` may be NULL, for the running task. */
PyObject *sigtask_receive(State *state, PyObject *task, PyObject *signal, int awaited, PyObject *sender);

/* flight.launch: puts the signal in flight, to the task and to what it awaits. */
int sigtask_launch(State *state, PyObject *task, PyObject *delivery);

/* flight.passed_on and came_back */
int sigtask_passed_on(PyObject *msg, PyObject *below);
void sigtask_came_back(PyObject *task);

/* asyncio's own task.cancel(msg); `msg` may be NULL. */
PyObject *sigtask_stock_cancel(State *state, PyObject *task, PyObject *msg);

/* Signal.__init__ for a reason, of a class of sigtask's own: a new signal. */
PyObject *sigtask_signal_new(PyObject *cls, PyObject *reason);

/* Where Python's Task has a method of the same name, it is for what does not go the straight way (`speed_task.c`). */
#define SIGTASK_TASK_METHODS(X)                                                                                        \
    X(_mailbox) X(_receive) X(send_signal) X(cancel) X(drain) X(interrupt) X(terminate) X(kill) X(uncancel) X(result)
#define X(name)                                                                                                        \
    PyObject *sigtask_task_##name(PyObject *task, PyTypeObject *defining, PyObject *const *args, Py_ssize_t nargs,     \
                                  PyObject *names);
SIGTASK_TASK_METHODS(X)
#undef X
extern PyMethodDef sigtask_task_methods[];

/* Finds asyncio's own methods of a task; -1 with an exception. */
int sigtask_find_stock(State *state);

/* The task that spawned this one; NULL for none. Borrowed. */
PyObject *sigtask_parent_of(PyObject *task);

/* Whether a signal was thrown and is still there: then it may be being handled. */
int sigtask_may_be_busy(Inbox *inbox);

/* The running task, if it is one of ours: borrowed, as the loop has it. NULL for none, or with an exception. */
PyObject *sigtask_running_task(State *state);

/* Whether it is one of sigtask's own classes, which C knows how to make. */
int sigtask_is_own(State *state, PyObject *what);

/* Of this type, with all fields 0, and not tracked. */
PyObject *sigtask_blank(PyTypeObject *type);

/* Whether it is true, of what is given away here; -1 with an exception, or for NULL. */
static inline int
sigtask_is_true(PyObject *answer)
{
    int yes = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    return yes;
}

/* `name`_traverse and `name`_clear of a type whose fields `FIELDS` lists. */
#define SIGTASK_VISIT(name) Py_VISIT(self->name);
#define SIGTASK_CLEAR(name) Py_CLEAR(self->name);
#define SIGTASK_COLLECTED(Type, name, FIELDS)                                                                          \
    static int name##_traverse(PyObject *op, visitproc visit, void *arg)                                               \
    {                                                                                                                  \
        Type *self = (Type *)op;                                                                                       \
        Py_VISIT(Py_TYPE(op));                                                                                         \
        FIELDS(SIGTASK_VISIT)                                                                                          \
        return 0;                                                                                                      \
    }                                                                                                                  \
    static int name##_clear(PyObject *op)                                                                              \
    {                                                                                                                  \
        Type *self = (Type *)op;                                                                                       \
        FIELDS(SIGTASK_CLEAR)                                                                                          \
        return 0;                                                                                                      \
    }

#define SIGTASK_METHOD(name, function)                                                                                 \
    {name, (PyCFunction)(void (*)(void))function, METH_METHOD | METH_FASTCALL | METH_KEYWORDS, NULL}

/* The exception that has been raised, taken out of the thread state; and put back there. */
PyObject *sigtask_catch(void);
void sigtask_raise(PyObject *error);

/* Its level as a C number; of a Kill's that is larger than C has them, the largest. What is no int is none: -1. */
long sigtask_level(PyObject *level);

/* A weak reference. */
PyObject *sigtask_weak(PyObject *object);

/* Whether what this weak reference is to is still there. */
int sigtask_lives(PyObject *ref);

/* A shim is no object of the garbage collector's: it is a part of its task, which visits and clears what is in it. */
int sigtask_shim_visit(Shim *self, visitproc visit, void *arg);
void sigtask_shim_clear(Shim *self);

/* A shim for this coroutine; NULL with a TypeError for what is none. */
PyObject *sigtask_shim_new(State *state, PyObject *coro);

/* The class that knows parents and children, derived from asyncio's C task; NULL with an exception. */
PyTypeObject *sigtask_kin_type(PyObject *module);

/* This shim is the task's, which has none so far; before anything else is done with a Kin. */
void sigtask_attach(PyObject *task, PyObject *shim);

/* attach(task, shim): the same, for Python. */
PyObject *sigtask_py_attach(PyObject *module, PyObject *const *args, Py_ssize_t nargs);

/* Note that `parent`, a Kin, has spawned `task`, another, which has no parent so far. */
void sigtask_link(PyObject *task, PyObject *parent);

/* link(task, parent): as above, for Python; gives whether `parent` is a Kin. */
PyObject *sigtask_py_link(PyObject *module, PyObject *const *args, Py_ssize_t nargs);

/* Where the slots of a TaskReport lie (`speed_roll.c`). */
#define SIGTASK_ROW(X)                                                                                                 \
    X(name) X(ended) X(rung) X(seconds) X(stood) X(cleaning_up) X(swallowed) X(refused) X(abandoned) X(descendant)      \
    X(note) X(coroutine) X(stack)
typedef struct {
#define X(name) Py_ssize_t name;
    SIGTASK_ROW(X)
#undef X
} Rows;
extern Rows sigtask_rows;
int sigtask_find_rows(State *state);

/* Where the slot of this name lies; -1 with an exception. */
Py_ssize_t sigtask_slot_at(PyObject *type, const char *name);

extern PyType_Spec sigtask_roll_spec, sigtask_block_spec;

/* Whether a block that is open may be in the way of a signal of this level: then Python decides (`speed_block.c`). */
int sigtask_is_blocked(State *state, Inbox *inbox, long level);

/* History.take_back: so many requests, of the last signals first. */
void sigtask_take_back(State *state, Inbox *inbox, int requests);
PyObject *sigtask_have_children(PyObject *module, PyObject *tasks);
PyObject *sigtask_all_belong(PyObject *module, PyObject *const *args, Py_ssize_t nargs);

/* bind(), bind_blocks() and bind_roll(), for Python. */
PyObject *sigtask_bind(PyObject *module, PyObject *args);
PyObject *sigtask_bind_blocks(PyObject *module, PyObject *args);
PyObject *sigtask_bind_roll(PyObject *module, PyObject *args);

State *sigtask_state_of(PyObject *module);

#endif

/* The C twin of `family.Kin`: a task that knows who spawned it, and whom it spawned.
 *
 *     parent ── first ──► child ◄─ next, prev ─► child ...        each child: parent
 *
 * The links are plain pointers and own nothing, as a weak reference does: a task that dies takes itself out, and leaves
 * its children without a parent. They lie in the task's shim.
 */

#include "speed.h"

/* Behind asyncio's struct lies a pointer to the shim, owned. The same place for all of one process, as there is one
 * `_asyncio`. It is NULL in a task that was never initialized. */
static Py_ssize_t kin_at;

static Shim **
shim_of(PyObject *task)
{
    return (Shim **)((char *)task + kin_at);
}

static Links *
links_of(PyObject *task)
{
    return &(*shim_of(task))->links;
}

Shim *
sigtask_shim_of(PyObject *task)
{
    return *shim_of(task);
}

Inbox *
sigtask_inbox_of(PyObject *task)
{
    Shim *shim = *shim_of(task);
    return shim == NULL ? NULL : (Inbox *)shim->inbox;
}

/* task.__class__ = Task, which adds no fields. Where a task's attributes stand in the task itself (from 3.14 on), in the order of
 * its class, it is for Python to do: they are moved into a dict first. */
static int
be_in_full(State *state, PyObject *task)
{
#ifdef Py_TPFLAGS_INLINE_VALUES
    if (PyType_HasFeature(Py_TYPE(task), Py_TPFLAGS_INLINE_VALUES)) {
        return PyObject_SetAttr(task, state->class_name, state->full);
    }
#endif
    Py_SET_TYPE(task, (PyTypeObject *)Py_NewRef(state->full));
    Py_DECREF(state->fresh);
    return 0;
}

/* Task._mailbox */
Inbox *
sigtask_mailbox(State *state, PyObject *task)
{
    Shim *shim = *shim_of(task);
    if (shim->inbox == NULL) {
        if (Py_IS_TYPE(task, (PyTypeObject *)state->fresh) && be_in_full(state, task) < 0) {
            return NULL;
        }
        shim->inbox = (PyObject *)sigtask_inbox_new(state, task);
    }
    return (Inbox *)shim->inbox;
}

static PyTypeObject *
base_of(PyObject *task)
{
    PyTypeObject *type = Py_TYPE(task);
    while (type->tp_basicsize > kin_at) {
        type = type->tp_base;
    }
    return type;
}

/* A task that is just being taken apart is not to be had any more, as by a weak reference. */
static int
is_alive(PyObject *task)
{
    return task != NULL && Py_REFCNT(task) > 0;
}

void
sigtask_link(PyObject *task, PyObject *parent)
{
    if (*shim_of(task) == NULL || *shim_of(parent) == NULL) {
        return;
    }
    Links *self = links_of(task), *theirs = links_of(parent);
    self->parent = parent;
    self->next = theirs->first;
    if (theirs->first != NULL) {
        links_of(theirs->first)->prev = task;
    }
    theirs->first = task;
}

static void
unlink_kin(PyObject *task)
{
    if (*shim_of(task) == NULL) {
        return;
    }
    Links *self = links_of(task);
    Inbox *inbox = sigtask_inbox_of(task);
    if (inbox != NULL && inbox->address != NULL) {
        inbox->address->task = NULL;
    }
    if (self->parent != NULL) {
        if (self->prev != NULL) {
            links_of(self->prev)->next = self->next;
        }
        else {
            links_of(self->parent)->first = self->next;
        }
        if (self->next != NULL) {
            links_of(self->next)->prev = self->prev;
        }
        self->parent = self->next = self->prev = NULL;
    }
    for (PyObject *child = self->first, *next; child != NULL; child = next) {
        Links *theirs = links_of(child);
        next = theirs->next;
        theirs->parent = theirs->next = theirs->prev = NULL;
    }
    self->first = NULL;
}

void
sigtask_attach(PyObject *task, PyObject *shim)
{
    *shim_of(task) = (Shim *)Py_NewRef(shim);
}

PyObject *
sigtask_py_attach(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    State *state = sigtask_state_of(module);
    if (nargs != 2 || !PyObject_TypeCheck(args[0], state->kin_type) || !Py_IS_TYPE(args[1], state->shim_type)) {
        PyErr_SetString(PyExc_TypeError, "attach() takes a task and its shim");
        return NULL;
    }
    if (*shim_of(args[0]) != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this task is initialized already");
        return NULL;
    }
    sigtask_attach(args[0], args[1]);
    Py_RETURN_NONE;
}

PyObject *
sigtask_py_link(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    State *state = sigtask_state_of(module);
    if (nargs != 2 || !PyObject_TypeCheck(args[0], state->kin_type) || *shim_of(args[0]) == NULL) {
        PyErr_SetString(PyExc_TypeError, "link() takes a task that has its shim, and its parent");
        return NULL;
    }
    if (!PyObject_TypeCheck(args[1], state->kin_type)) {
        Py_RETURN_FALSE;
    }
    if (links_of(args[0])->parent != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this task has a parent already");
        return NULL;
    }
    sigtask_link(args[0], args[1]);
    Py_RETURN_TRUE;
}

PyObject *
sigtask_parent_of(PyObject *task)
{
    PyObject *parent = *shim_of(task) == NULL ? NULL : links_of(task)->parent;
    return is_alive(parent) ? parent : NULL;
}

static PyObject *
kin_parent(PyObject *task, void *Py_UNUSED(closure))
{
    PyObject *parent = sigtask_parent_of(task);
    return Py_NewRef(parent == NULL ? Py_None : parent);
}

static PyObject *
kin_get_inbox(PyObject *task, void *Py_UNUSED(closure))
{
    Inbox *inbox = sigtask_inbox_of(task);
    return inbox == NULL ? Py_NewRef(Py_None) : sigtask_expose((PyObject *)inbox);
}

static int
kin_set_inbox(PyObject *task, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL || *shim_of(task) == NULL) {
        PyErr_SetString(PyExc_AttributeError, "_inbox can be set in a task that was initialized, and not deleted");
        return -1;
    }
    return PyObject_SetAttrString((PyObject *)*shim_of(task), "inbox", value);
}

static PyObject *
kin_children(PyObject *task, PyObject *Py_UNUSED(nothing))
{
    PyObject *found = PyList_New(0), *child = *shim_of(task) == NULL ? NULL : links_of(task)->first;
    /* Nothing of Python's runs in this loop, so no child can go away in it. */
    for (; found != NULL && child != NULL; child = links_of(child)->next) {
        if (is_alive(child) && PyList_Append(found, child) < 0) {
            Py_CLEAR(found);
        }
    }
    if (found != NULL && PyList_Reverse(found) < 0) {
        Py_CLEAR(found);
    }
    return found;
}

#define OWN 2 /* references to a shim that are its task's: asyncio's, and that of the Kin */

static int
kin_traverse(PyObject *task, visitproc visit, void *arg)
{
    PyTypeObject *base = base_of(task);
    Shim *shim = *shim_of(task);
    if (shim != NULL && Py_REFCNT(shim) <= OWN) {
        int stop = sigtask_shim_visit(shim, visit, arg);
        if (stop) {
            return stop;
        }
    }
    if (!(base->tp_flags & Py_TPFLAGS_HEAPTYPE)) {
        Py_VISIT(Py_TYPE(task)); /* up to Python 3.11 asyncio's is a static type, which knows nothing of this */
    }
    return base->tp_traverse(task, visit, arg);
}

static int
kin_clear(PyObject *task)
{
    Shim *shim = *shim_of(task);
    unlink_kin(task);
    if (shim != NULL && Py_REFCNT(shim) <= OWN) {
        sigtask_shim_clear(shim);
    }
    Py_CLEAR(*shim_of(task));
    return base_of(task)->tp_clear(task);
}

static void
kin_finalize(PyObject *task)
{
    Inbox *inbox = sigtask_inbox_of(task);
    if (inbox != NULL && inbox->address != NULL) {
        State *state = (State *)PyType_GetModuleState(Py_TYPE(inbox));
        sigtask_note_name(state, task, inbox);
    }
    PyTypeObject *base = base_of(task);
    if (base->tp_finalize != NULL) {
        base->tp_finalize(task);
    }
}

int
sigtask_tells_its_name(PyObject *task)
{
    return Py_TYPE(task)->tp_finalize == kin_finalize;
}

static void
kin_dealloc(PyObject *task)
{
    PyTypeObject *type = Py_TYPE(task), *base = base_of(task);
    int is_static = !(base->tp_flags & Py_TPFLAGS_HEAPTYPE);
    unlink_kin(task);
    PyObject_GC_UnTrack(task);
    Py_CLEAR(*shim_of(task));
    PyObject_GC_Track(task); /* asyncio's own untracks it again */
    base->tp_dealloc(task);
    if (is_static) {
        Py_DECREF(type);
    }
}

static PyGetSetDef kin_getset[] = {
    {"_inbox", kin_get_inbox, kin_set_inbox, "The task's signals, or None.", NULL},
    {"_linked_parent", kin_parent, NULL, "The task that spawned this one, or None.", NULL},
    {NULL},
};

PyMethodDef sigtask_task_methods[] = {
#define X(name) SIGTASK_METHOD(#name, sigtask_task_##name),
    SIGTASK_TASK_METHODS(X)
#undef X
    {"_linked_children", kin_children, METH_NOARGS, "The tasks that this one has spawned, the first one first."},
    {NULL},
};

PyTypeObject *
sigtask_kin_type(PyObject *module)
{
    PyObject *asyncio = PyImport_ImportModule("_asyncio"), *task = NULL, *type = NULL;
    if (asyncio == NULL || (task = PyObject_GetAttrString(asyncio, "Task")) == NULL) {
        Py_XDECREF(asyncio);
        return NULL;
    }
    Py_DECREF(asyncio);
    kin_at = ((PyTypeObject *)task)->tp_basicsize;
    PyType_Slot slots[] = {
        {Py_tp_doc, "A task that knows its parent and its children; family.Kin is its specification."},
        {Py_tp_traverse, kin_traverse},
        {Py_tp_clear, kin_clear},
        {Py_tp_dealloc, kin_dealloc},
        {Py_tp_finalize, kin_finalize},
        {Py_tp_getset, kin_getset},
        {Py_tp_methods, sigtask_task_methods},
        {0, NULL},
    };
    PyType_Spec spec = {
        .name = "sigtask._core.speed.Kin",
        .basicsize = (int)(kin_at + (Py_ssize_t)sizeof(Shim *)),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
        .slots = slots,
    };
    PyObject *bases = PyTuple_Pack(1, task);
    if (bases != NULL) {
        type = PyType_FromModuleAndSpec(module, &spec, bases);
    }
    Py_XDECREF(bases);
    Py_DECREF(task);
    return (PyTypeObject *)type;
}

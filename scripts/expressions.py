"""Expressions in workflows, as far as they are known here: https://docs.github.com/actions/reference/evaluate-expressions-in-workflows-and-actions"""
import re


class Refused(Exception):
    """The file has something that is not known here."""


TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|(\d+)|([A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*)|(==|!=|&&|\|\||[!(),]))")


class Expression:
    """One expression, by recursive descent: `||` binds least, then `&&`, `==` and `!=`, `!`."""

    def __init__(self, text, job):
        self.job, self.tokens, at = job, [], 0
        text = text.strip()
        while at < len(text):
            found = TOKEN.match(text, at)
            if not found:
                raise Refused(f"expression {text!r}")
            string, number, name, sign = found.groups()
            if string is not None:
                self.tokens.append(("value", string.replace("''", "'")))
            elif number:
                self.tokens.append(("value", int(number)))
            else:
                self.tokens.append(("name", name) if name else ("sign", sign))
            at = found.end()

    def value(self):
        result = self.either()
        if self.tokens:
            raise Refused(f"expression: what is {self.tokens[0][1]!r} for?")
        return result

    def take(self, *signs):
        if self.tokens and self.tokens[0][0] == "sign" and self.tokens[0][1] in signs:
            return self.tokens.pop(0)[1]
        return None

    def either(self):
        left = self.both()
        while self.take("||"):
            right = self.both()
            left = left or right
        return left

    def both(self):
        left = self.equal()
        while self.take("&&"):
            right = self.equal()
            left = left and right
        return left

    def equal(self):
        left = self.negated()
        while sign := self.take("==", "!="):
            left = (left == self.negated()) == (sign == "==")
        return left

    def negated(self):
        if self.take("!"):
            return not self.negated()
        if self.take("("):
            inner = self.either()
            if not self.take(")"):
                raise Refused("expression: a parenthesis is open")
            return inner
        if not self.tokens or self.tokens[0][0] == "sign":
            raise Refused("expression: a value is missing")
        kind, value = self.tokens.pop(0)
        if kind == "value" or value in ("true", "false"):
            return value == "true" if kind == "name" else value
        if not self.take("("):
            return self.job.lookup(value)
        arguments = []
        while not self.take(")"):
            arguments.append(self.either())
            self.take(",")
        return self.job.call(value, arguments)

'use strict';
// The function image auth-nodejs: an authoriser that answers a token with a policy.

const serve = require('./serve');

// A pattern, not a template: its braces are part of the reply.
const RESOURCE =
  'arn:aws:execute-api:{regionId}:{accountId}:{apiId}/{stage}/{httpVerb}/[{resource}/[{child-resources}]]';

/** The policy as indented JSON; the order of its keys is part of the reply. */
function policy(effect) {
  const granted = {
    principalId: 'user',
    policyDocument: {
      Version: '2012-10-17',
      Statement: [{ Action: 'execute-api:Invoke', Effect: effect, Resource: RESOURCE }],
    },
    context: { stringKey: 'stringval', numberKey: 123, booleanKey: true },
  };
  return JSON.stringify(granted, null, 2);
}

function decide(token) {
  switch (token) {
    case 'allow':
      return policy('Allow');
    case 'deny':
      return policy('Deny');
    case 'unauthorized':
      return 'Unauthorized';
    default:
      return 'Error: Invalid token';
  }
}

function answer(token) {
  return `fn: Auth | token: ${token} | resp: ${decide(token)} | runtime: nodejs`;
}

serve.run(serve.flags(), 'auth-nodejs', 'auth.Greeter', 'SayHello', answer);
